"""musdb18: MUSDB18, the same 150 songs as MUSDB18-HQ as stem files: AAC of 256 kbit/s, nothing above 16 kHz.

Rafii, Liutkus, Stoeter, Mimilakis and Bittner 2017, doi:10.5281/zenodo.1117372. For research and education only; most songs
CC BY-NC-SA (docs/data.md). 4.7 GB zipped, 10 hours. Downloaded, or read from a copy that was extracted to data.root, with its
folders train/ and test/. URL, size and MD5 as Zenodo's record gives them; it publishes no SHA-256.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.layout import limited
from unsung.data.providers.musdb import stem_files
from unsung.data.remote import Remote
from unsung.data.tracks import Recording

FACTS = Facts(
    title="MUSDB18",
    songs="150",
    hours="10",
    format="44.1 kHz stereo, AAC stem files",
    download="4.7 GB",
    licence="research and education only; 46 songs CC-BY-NC-SA-4.0",
    citation=("Rafii, Liutkus, Stöter, Mimilakis and Bittner (2017). The MUSDB18 Corpus for Music Separation. Zenodo"),
    url="https://doi.org/10.5281/zenodo.1117372",
)

ARCHIVE = Remote(
    url="https://zenodo.org/records/1117372/files/musdb18.zip",
    checksum="md5:af06762477334799bfc5abf237648207",
    size=4_684_228_845,  # bytes
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song by name, at most `providers.musdb18.limit` of each split."""
    return limited(stem_files(root, "MUSDB18"), settings.limit)
