"""musdb18_7s: an excerpt of 6.8 seconds of 144 songs of MUSDB18, as stem files: small enough to try everything on.

Rafii, Liutkus, Stoeter, Mimilakis and Bittner 2017, doi:10.5281/zenodo.1117372; what musdb.DB(download=True) fetches. Licence as
for musdb18 (docs/data.md). 0.15 GB zipped, 16 minutes. Downloaded, or read from a copy that was extracted to data.root, with its
folders train/ and test/. URL as in the musdb package (musdb/configs/mus.yaml), which checks nothing; size and SHA-256 as found by
github.com/CyberBASSLord-666/LightForge (qa/release-1.6.0/musdb-fixture-provenance.json), the only ones we know.
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
    title="MUSDB18, excerpts of 6.8 seconds",
    songs="144",
    hours="0.3",
    format="44.1 kHz stereo, AAC stem files",
    download="0.15 GB",
    licence="research and education only; as MUSDB18",
    citation=("Rafii, Liutkus, Stöter, Mimilakis and Bittner (2017). The MUSDB18 Corpus for Music Separation. Zenodo"),
    url="https://doi.org/10.5281/zenodo.1117372",
)

ARCHIVE = Remote(
    url="https://github.com/sigsep/sigsep-mus-db/releases/download/v0.4.0/MUSDB18-7-STEMS.zip",
    checksum="sha256:365f66acffc57282e474a4c24b32afec3678258c50b8d45646ac849b0a287df3",
    size=147_209_385,  # bytes
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every excerpt by name, at most `providers.musdb18_7s.limit` of each split."""
    return limited(stem_files(root, "MUSDB18-7-STEMS"), settings.limit)
