import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from unsung import audio
from unsung.data.shards import Shards, write_shards
from unsung.data.tracks import Track, read_index, write_splits
from unsung.restyle.batches import shard_settings
from unsung.restyle.schema import Params

SMALL = {
    "providers.demo": {"train": 2, "valid": 1, "test": 1, "seconds": 4.0},
    "audio.sample_rate": 8000,
    "mel": {"n_fft": 256, "hop_length": 64, "bands": 32},
    "shards.segment_seconds": 4.0,
    "vocoder.network": {"channels": 16, "blocks": 1, "kernel": 3, "turns": 1},
    "vocoder.training.steps": 2,
    "vocoder.training.save_every": 1,
    "vocoder.tune_steps": 1,
    "model.network": {"dim": 16, "layers": 1, "heads": 2, "dropout": 0.0},
    "train.steps": 4,
    "train.batch_size": 2,
    "train.segment_seconds": 1.0,
    "train.valid_every": 2,
    "train.warmup_steps": 1,
    "restyle.window_seconds": 2.0,
    "compute.loader_workers": 0,
    "compute.workers": 1,
}


def params_with(changes=None):
    """restyle/params.yaml with small values, and some changed: {"train.pairs": "one"}."""
    values = YAML(typ="safe").load(ROOT / "restyle/params.yaml")
    for key, value in copy.deepcopy({**SMALL, **(changes or {})}).items():
        *above, last = key.split(".")
        section = values
        for name in above:
            section = section[name]
        section[last] = value
    return Params.model_validate(values)


@pytest.fixture(scope="session")
def small():
    return params_with()


@dataclass(frozen=True)
class Songs:
    """Songs in the styles pop, carol and other, on disk."""

    folder: Path
    params: Params

    def tracks(self, split):
        return read_index(self.folder / "stems" / split)

    def shards(self, split):
        return Shards(self.folder / "shards", split, shard_settings(self.params))


@pytest.fixture(scope="session")
def songs(small, tmp_path_factory):
    """Tones and noise: `carol` is brighter than `pop`, `other` is half as loud as `carol`."""
    folder, rng, tracks = tmp_path_factory.mktemp("songs"), np.random.default_rng(0), []
    for number, split in enumerate(("train", "train", "valid", "test")):
        seconds = np.arange(4 * 8000) / 8000
        notes = np.repeat(rng.choice([220.0, 262, 330, 392, 440], 16), 2000)
        tone = np.sin(2 * np.pi * np.cumsum(notes) / 8000) * np.tile(np.exp(-seconds[:2000] * 6), 16)
        carol = 0.2 * np.tanh(4 * tone) + 0.01 * rng.standard_normal(len(seconds))
        sounds = {"pop": 0.3 * tone + 0.02 * rng.standard_normal(len(seconds)), "carol": carol, "other": carol / 2}
        stems = {style: folder / "stems" / split / f"{number}" / f"{style}.flac" for style in sounds}
        for style, path in stems.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, [audio.to_grid(sounds[style].astype(np.float32)[:, None], 16)], 8000, 1, bits=16)
        tracks.append(Track(f"song {number}", split, stems))
    write_splits(folder / "stems", tracks, small.compute)
    shown = [track for track in tracks if track.split != "test"]
    write_shards(folder / "shards", shown, shard_settings(small), 64, small.compute)
    return Songs(folder, small)
