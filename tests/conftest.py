"""Small data that the tests make: three songs, their stems and shards, a tiny model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import large  # noqa: F401 (before unsung)
from tests.faults.runner import Runner
from unsung.config.params import load_params
from unsung.config.schema import Compute, Params
from unsung.data.shards import Settings, write_shards
from unsung.data.stems import prepare
from unsung.data.tracks import SPLITS, Recording, read_index, write_splits
from unsung.models.separator import Config, Separator

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
STEMS = ("drums", "bass", "other", "vocals")


def changed(params: Params, **values: object) -> Params:
    """The params with some values changed, given as section__key=value."""
    values_of = params.model_dump()
    for name, value in values.items():
        *sections, key = name.split("__")
        place = values_of
        for section in sections:
            place = place[section]
        assert key in place
        place[key] = value
    return type(params).model_validate(values_of)


def workers(count: int, scheduler: str = "") -> Compute:
    """How the work is done: in so many processes, or on a cluster."""
    return Compute(scheduler=scheduler, workers=count, loader_workers=0, tensorboard=False, wandb=False)


LONGEST_FIRST = [  # or one process waits for the other
    "test_pipeline.py",
    "test_training.py",
    "test_parallel.py",
    "test_data.py",
    "test_songs.py",
    "test_shards.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.name) if item.path.name in LONGEST_FIRST else len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """The process whose forks are runs of the command: what tests need not start anew."""
    running = Runner(ROOT / "src", ROOT)
    yield running
    running.close()


@pytest.fixture(scope="session")
def params() -> Params:
    """The project's params, made small."""
    return small_params(load_params(ROOT / "params.yaml"))


def small_params(params: Params) -> Params:
    """Some params, made small: 8 kHz, a tiny network, a handful of steps."""
    return changed(
        params,
        audio__sample_rate=8000,
        stft={"n_fft": 256, "hop_length": 64},
        shards={"segment_seconds": 1.0, "megabytes": 0.13},
        networks__band_split={
            "dim": 8,
            "blocks": 1,
            "bands": 6,
            "exponent": 0.5,
            "mask": "complex",
            "gradient_checkpointing": False,
        },
        train__steps=12,
        train__valid_every=4,
        train__batch_size=2,
        train__segment_seconds=0.5,
        train__warmup_steps=2,
        separate__window_seconds=1.0,
        evaluate__filter_taps=32,
        report__clip_seconds=2.0,
        compute=workers(1).model_dump(),
    )


def song(number: int, seconds: float, rate: int, channels: int = 2) -> dict[str, np.ndarray]:
    """Four stems (sample, channel): noise bursts, a low tone, a chord, a vibrato with a rest."""
    rng = np.random.default_rng(number)
    t = np.arange(round(seconds * rate)) / rate
    wave = 200 * (2 + number) * t + np.sin(2 * np.pi * 5 * t)
    stems = {
        "drums": rng.standard_normal(len(t)) * np.exp(-(t % 0.5) / 0.05),
        "bass": np.sin(2 * np.pi * 60 * t),
        "other": sum(np.sin(2 * np.pi * f * (number + 1) * t) for f in (220, 277, 330)),
        "vocals": np.sin(2 * np.pi * wave) * (t % 2 < 1.5),
    }
    return {name: 0.1 * np.stack([stem] * channels, axis=1).astype(np.float32) for name, stem in stems.items()}


def write_song(folder: Path, stems: dict[str, np.ndarray], rate: int, extension: str = "wav") -> Path:
    """Write each stem of a song below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.{extension}", samples, rate)
    return folder


@pytest.fixture(scope="session")
def raw_tracks(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """A track for each split, 4 s, 16 kHz stereo."""
    root = tmp_path_factory.mktemp("raw")
    tracks = []
    for number, split in enumerate(SPLITS):
        folder = write_song(root / split / f"Song {number}", song(number, 4.0, 16_000), 16_000)
        tracks.append(Recording.of_files(folder.name, split, {stem: folder / f"{stem}.wav" for stem in STEMS}))
    return tracks


@pytest.fixture(scope="session")
def stems_folder(tmp_path_factory: pytest.TempPathFactory, raw_tracks: list[Recording], params: Params) -> Path:
    """The raw tracks resampled, with the index of each split."""
    folder = tmp_path_factory.mktemp("stems")
    write_splits(folder, [prepare(track, folder, params.audio)[0] for track in raw_tracks], params.compute)
    return folder


@pytest.fixture(scope="session")
def shards_folder(tmp_path_factory: pytest.TempPathFactory, stems_folder: Path, params: Params) -> Path:
    """The shards of the train and the valid track."""
    folder = tmp_path_factory.mktemp("shards")
    tracks = read_index(stems_folder / "train") + read_index(stems_folder / "valid")
    write_shards(folder, tracks, Settings.of(params), params.shards.megabytes, params.compute)
    return folder


@pytest.fixture
def separator(params: Params) -> Separator:
    """A tiny separator with random weights."""
    import torch

    torch.manual_seed(0)
    return Separator(Config.of(params, covers_song=False)).eval()
