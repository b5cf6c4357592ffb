"""musdb18hq: MUSDB18-HQ, 100 songs to train (14 of them to validate) and 50 to test.

Downloaded, or read from data.root, where it was extracted with its folders train/ and test/. URL
and SHA-256 as in torchaudio (torchaudio/datasets/musdb_hq.py). Licences: docs/data.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unsung.data.providers.base import Facts
from unsung.data.providers.base import Limited as Settings
from unsung.data.providers.layout import is_folder, lacking
from unsung.data.providers.musdb import STREAMS, songs
from unsung.data.remote import Remote
from unsung.data.tracks import Recording

FACTS = Facts(
    title="MUSDB18-HQ", songs="150", hours="10", format="44.1 kHz stereo, WAV", download="22.7 GB",
    licence="research and education only; 46 songs CC-BY-NC-SA-4.0", url="https://doi.org/10.5281/zenodo.3338373",
    citation="Rafii, Liutkus, Stöter, Mimilakis and Bittner (2019). MUSDB18-HQ, an Uncompressed Version of MUSDB18. Zenodo",
)  # fmt: skip
ARCHIVE = Remote(
    "https://zenodo.org/record/3338373/files/musdb18hq.zip",
    "sha256:baac80d0483c61d74b2e5f3be75fa557eec52898339e6aa45c1fa48833c5d21d",
    22_656_664_047,
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song by name.

    Raises:
        UserError: train/ or test/ is missing.
    """
    for name, split, folder in songs(root, "MUSDB18-HQ"):
        if is_folder(folder) or folder.is_symlink():
            files = {stem: folder / f"{stem}.wav" for stem in STREAMS}
            yield replace(Recording.of_files(name, split, files), fault=lacking(files.values()))
