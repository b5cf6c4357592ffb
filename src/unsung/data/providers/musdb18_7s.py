"""musdb18_7s: excerpts of 6.8 seconds of songs of MUSDB18, small enough to try everything on.

It is what musdb.DB(download=True) fetches. Downloaded, or read from data.root, where it was
extracted with its folders train/ and test/. The URL is the musdb package's, which checks nothing.
Size and SHA-256, the only ones we know, are from github.com/CyberBASSLord-666/LightForge
(qa/release-1.6.0/musdb-fixture-provenance.json). Licences: docs/data.md.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.musdb import stem_files
from unsung.data.remote import Remote
from unsung.data.tracks import Recording

FACTS = Facts(
    title="MUSDB18, excerpts of 6.8 seconds", songs="144", hours="0.3", format="44.1 kHz stereo, AAC stem files",
    download="0.15 GB", licence="research and education only; as MUSDB18", url="https://doi.org/10.5281/zenodo.1117372",
    citation="Rafii, Liutkus, Stöter, Mimilakis and Bittner (2017). The MUSDB18 Corpus for Music Separation. Zenodo",
)  # fmt: skip
ARCHIVE = Remote(
    "https://github.com/sigsep/sigsep-mus-db/releases/download/v0.4.0/MUSDB18-7-STEMS.zip",
    "sha256:365f66acffc57282e474a4c24b32afec3678258c50b8d45646ac849b0a287df3",
    147_209_385,
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every excerpt by name."""
    return stem_files(root, "MUSDB18-7-STEMS")
