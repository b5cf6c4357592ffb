import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from tests.conftest import ROOT
from tests.restyle.conftest import params_with
from unsung.errors import UserError
from unsung.restyle.restyler import Restyler
from unsung.restyle.training import STATE, Keeper, config_of, train

WEIGHTS = "best/weights.safetensors"


def run(songs, tmp_path, name, **changes):
    params = params_with({key.replace("__", "."): value for key, value in changes.items()})
    scratch = tmp_path / f"scratch-{name}"
    scratch.mkdir(exist_ok=True)
    train(params, songs.shards("train"), songs.shards("valid"), tmp_path / name, scratch)
    return tmp_path / name


@pytest.mark.parametrize(
    "changes",
    [
        {"model__process": "bridge"},
        {"model__process": "ddpm", "processes__ddpm__calls": 2, "train__loss": "mse", "train__optimizer": "adam"},
        {"train__pairs": "unaligned", "train__precision": "bf16-mixed"},
    ],
)
def test_every_process_and_switch_trains(songs, tmp_path, changes):
    out = run(songs, tmp_path, "out", **changes)
    assert Restyler.load(out / "best").config.process == changes.get("model__process", "predictive")
    assert list(pd.read_csv(out / "curve.csv")["step"]) == [2, 4]


def test_training_learns_and_a_last_short_epoch_is_trained_too(songs, tmp_path):
    out = run(songs, tmp_path, "out", train__steps=50, train__valid_every=20, train__learning_rate=5e-3)
    curve = pd.read_csv(out / "curve.csv")
    assert list(curve["step"]) == [20, 40, 50]
    assert curve["valid_distance"].iloc[-1] < 0.95 * curve["valid_distance"].iloc[0]


KILLED = """
import sys
from pathlib import Path
from tests.restyle.conftest import params_with
from unsung.data.shards import Shards
from unsung.restyle.batches import shard_settings
from unsung.restyle.training import train
params, folder, out = params_with({"train.steps": 2000}), Path(sys.argv[1]), Path(sys.argv[2])
shards = [Shards(folder / "shards", split, shard_settings(params)) for split in ("train", "valid")]
train(params, *shards, out, Path(sys.argv[3]))
"""


def test_a_run_that_was_killed_ends_with_the_same_bytes(songs, tmp_path, monkeypatch):
    """A long run is killed, goes on, and is compared with one that was not."""
    scratch = tmp_path / "scratch-killed"
    scratch.mkdir()
    command = [sys.executable, "-c", KILLED, str(songs.folder), str(tmp_path / "never"), str(scratch)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (scratch / STATE).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (scratch / STATE).exists() and not (tmp_path / "never").exists()
    done = torch.load(scratch / STATE, weights_only=False)["global_step"]
    steps = done + 4
    constant = {"train__steps": 2000}  # the learning rate falls over all steps, so both runs must mean the same
    monkeypatch.setattr("unsung.restyle.training.epochs", lambda settings: -(-steps // settings.valid_every))
    killed = run(songs, tmp_path, "killed", **constant)
    straight = run(songs, tmp_path, "straight", **constant)
    assert (killed / WEIGHTS).read_bytes() == (straight / WEIGHTS).read_bytes()
    assert (killed / "curve.csv").read_bytes() == (straight / "curve.csv").read_bytes()


def test_a_loss_that_is_no_number_is_one_line(songs, tmp_path):
    with pytest.raises(UserError, match=r"training diverged before step \d+: .*; lower train.learning_rate"):
        run(songs, tmp_path, "out", train__learning_rate=1e30, train__gradient_clip=1e30)


def test_the_keeper_takes_the_least_distance(tmp_path):
    keeper = Keeper(tmp_path)
    keeper.load_state_dict({"best": 0.5, "curve": [{"step": 1}]})
    assert keeper.state_dict() == {"best": 0.5, "curve": [{"step": 1}]}


def test_unaligned_training_sees_what_is_poor(small):
    assert config_of(small).sees == "mel"
    assert config_of(params_with({"train.pairs": "unaligned"})).sees == "poor"
