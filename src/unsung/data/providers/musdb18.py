"""musdb18: MUSDB18, the songs of MUSDB18-HQ as AAC of 256 kbit/s; nothing lies above 16 kHz.

Downloaded, or read from data.root, where it was extracted with its folders train/ and test/. URL,
size and MD5 as Zenodo's record gives them; it publishes no SHA-256. Licences: docs/data.md.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.musdb import stem_files
from unsung.data.remote import Remote
from unsung.data.tracks import Recording

FACTS = Facts(
    title="MUSDB18", songs="150", hours="10", format="44.1 kHz stereo, AAC stem files", download="4.7 GB",
    licence="research and education only; 46 songs CC-BY-NC-SA-4.0", url="https://doi.org/10.5281/zenodo.1117372",
    citation="Rafii, Liutkus, Stöter, Mimilakis and Bittner (2017). The MUSDB18 Corpus for Music Separation. Zenodo",
)  # fmt: skip
ARCHIVE = Remote("https://zenodo.org/records/1117372/files/musdb18.zip", "md5:af06762477334799bfc5abf237648207", 4_684_228_845)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song by name."""
    return stem_files(root, "MUSDB18")
