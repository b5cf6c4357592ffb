"""musdb18hq: MUSDB18-HQ, 150 songs of 44.1 kHz stereo as WAV: 100 to train (14 of them to validate), 50 to test.

Rafii, Liutkus, Stoeter, Mimilakis and Bittner 2019, doi:10.5281/zenodo.3338373. For research and education only; most songs
CC BY-NC-SA (docs/data.md). 22.7 GB zipped, 10 hours. Downloaded, or read from a copy that was extracted to data.root, with its
folders train/ and test/. URL and SHA-256 as in torchaudio (torchaudio/datasets/musdb_hq.py).
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.layout import limited
from unsung.data.providers.musdb import STREAMS, songs
from unsung.data.remote import Remote
from unsung.data.tracks import Recording
from unsung.errors import UserError

FACTS = Facts(
    title="MUSDB18-HQ",
    songs="150",
    hours="10",
    format="44.1 kHz stereo, WAV",
    download="22.7 GB",
    licence="research and education only; 46 songs CC-BY-NC-SA-4.0",
    citation=("Rafii, Liutkus, Stöter, Mimilakis and Bittner (2019). MUSDB18-HQ, an Uncompressed Version of MUSDB18. Zenodo"),
    url="https://doi.org/10.5281/zenodo.3338373",
)

ARCHIVE = Remote(
    url="https://zenodo.org/record/3338373/files/musdb18hq.zip",
    checksum="sha256:baac80d0483c61d74b2e5f3be75fa557eec52898339e6aa45c1fa48833c5d21d",
    size=22_656_664_047,  # bytes
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song by name, at most `providers.musdb18hq.limit` of each split.

    Raises:
        UserError: train/ or test/ is missing, or a song lacks a file.
    """
    return limited(_songs(root), settings.limit)


def _songs(root: Path) -> Iterator[Recording]:
    for name, split, folder in songs(root, "MUSDB18-HQ"):
        if folder.is_dir():
            yield Recording.of_files(name, split, {stem: _file(folder, stem) for stem in STREAMS})


def _file(folder: Path, stem: str) -> Path:
    path = folder / f"{stem}.wav"
    if not path.is_file():
        raise UserError(f"{path} is missing; extract MUSDB18-HQ again")
    return path
