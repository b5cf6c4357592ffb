"""musdb18hq: MUSDB18-HQ, 150 songs of 44.1 kHz stereo as WAV: 100 to train (14 of them to validate), 50 to test.

Rafii, Liutkus, Stoeter, Mimilakis and Bittner 2019, doi:10.5281/zenodo.3338373. For research and education only; most songs
CC BY-NC-SA (docs/data.md). 22.7 GB zipped, 10 hours. Downloaded, or read from a copy that was extracted to data.root, with its
folders train/ and test/. URL and SHA-256 as in torchaudio (torchaudio/datasets/musdb_hq.py); the validation songs are those of the
musdb package (musdb/configs/mus.yaml), the list the field uses.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.fetch import Remote, download, extract
from unsung.data.tracks import Split, Track
from unsung.errors import UserError
from unsung.files import scratch
from unsung.params import Params

ARCHIVE = Remote(
    url="https://zenodo.org/record/3338373/files/musdb18hq.zip",
    sha256="baac80d0483c61d74b2e5f3be75fa557eec52898339e6aa45c1fa48833c5d21d",
    size=22_656_664_047,  # bytes
)
EXTRACTED = 60 * 10**9  # bytes it may grow to at most
TAKES_A_COPY = True
VALID = {
    "Actions - One Minute Smile",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave",
    "Triviul - Angelsaint",
    "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants",
    "Leaf - Summerghost",
    "Skelpolu - Human Mistakes",
    "Young Griffo - Pennies",
    "ANiMAL - Rockshow",
    "James May - On The Line",
    "Meaxic - Take A Step",
    "Traffic Experiment - Sirens",
}
STEMS = ("drums", "bass", "other", "vocals")


def fetch(root: Path, params: Params) -> None:
    """Download and extract to `root`; the archive stays in .scratch until all is extracted, so that an interrupted run goes on."""
    with scratch("download", ARCHIVE.sha256[:16]) as folder:
        archive = download(ARCHIVE, folder)
        extract(archive, folder / "extracted", params.compute.workers, EXTRACTED)
        for part in ("train", "test"):
            (folder / "extracted" / part).replace(root / part)


def tracks(root: Path, params: Params) -> Iterator[Track]:
    """Every song by name, at most `providers.musdb18hq.limit` of each split.

    Raises:
        UserError: train/ or test/ is missing, or a song lacks a file.
    """
    taken = {"train": 0, "valid": 0, "test": 0}
    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise UserError(f"{root} has no folder {part}; set data.root to where MUSDB18-HQ was extracted")
        for folder in sorted(path for path in (root / part).iterdir() if path.is_dir()):
            split: Split = "test" if part == "test" else "valid" if folder.name in VALID else "train"
            if params.providers.musdb18hq.limit and taken[split] >= params.providers.musdb18hq.limit:
                continue
            taken[split] += 1
            yield Track(folder.name, split, {stem: _file(folder, stem) for stem in ("mixture", *STEMS)})


def _file(folder: Path, stem: str) -> Path:
    path = folder / f"{stem}.wav"
    if not path.is_file():
        raise UserError(f"{path} is missing; extract MUSDB18-HQ again")
    return path
