"""All rows, in the order of docs/reliability.md."""

import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from _pytest.mark import ParameterSet

from tests.conftest import ROOT, changed, small_params
from tests.faults.fault import Fault
from unsung.config.params import load_params
from unsung.models.separator import Config, Separator

TITLES = {
    "separate": "Separating: songs, outputs, options, kills",
    "audio": "Audio files",
    "models": "Model folders",
    "datasets": "Datasets and stages",
    "scores": "`unsung score`",
    "commands": "The other commands",
}


def tables() -> dict[str, list[Fault]]:
    """The rows of each table that is there."""
    there = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])}
    return {name: import_module(f"tests.faults.{name}").FAULTS for name in TITLES if name in there}


def rows(*names: str) -> list[ParameterSet]:
    """The rows of some tables, for parametrize."""
    return [pytest.param(fault, id=f"{name}: {fault.what}") for name in names for fault in tables()[name]]


def make_template(folder: Path) -> Path:
    """What every fault finds: models/tiny (8 kHz) and song.wav (8 kHz, stereo, two seconds)."""
    torch.manual_seed(0)
    params = changed(small_params(load_params(ROOT / "params.yaml")), stft={"n_fft": 256, "hop_length": 120})  # few frames
    Separator(Config.of(params, covers_song=False)).save(folder / "models" / "tiny")
    samples = 0.1 * np.random.default_rng(0).standard_normal((16_000, 2))
    soundfile.write(folder / "song.wav", samples, 8000)
    return folder
