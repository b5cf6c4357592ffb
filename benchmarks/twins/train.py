"""Train each system for the same time on one thread. What is trained already stays."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch
from common import changed
from torch.optim.swa_utils import AveragedModel

from twins.systems import REFERENCE, SYSTEMS
from unsung import training
from unsung.config.params import load_params
from unsung.config.schema import Params
from unsung.data import batches
from unsung.data.shards import Settings, Shards
from unsung.data.tracks import read_index
from unsung.devices import generators
from unsung.models.separator import Config, Separator

ROUNDS, STEPS = 10, 4  # of timing
VALIDATIONS = 6
STEPS_TABLE = "steps.csv"


def train_all(project: Path, runs: Path, names: Sequence[str], seeds: Sequence[int], steps: int) -> None:
    """A folder runs/<seed>/<system> for each, with models and curve.csv."""
    params = load_params(project / "params.yaml")
    known = steps_of(project, runs, params, steps)
    for seed, name in itertools.product(seeds, names):
        out = runs / str(seed) / name
        if not out.exists():
            mine = changed(SYSTEMS[name].params(params), {"seed": seed, "train.steps": known[name], "compute.loader_workers": 0})
            mine = changed(mine, {"train.valid_every": -(-known[name] // VALIDATIONS)})
            shards = Shards(project / "data" / "shards", "train", Settings.of(mine))
            print(f"{name}, seed {seed}: {known[name]} steps", flush=True)
            training.train(mine, shards, read_index(project / "data" / "stems" / "valid"), out, runs / "scratch" / f"{seed} {name}")


def steps_of(project: Path, runs: Path, params: Params, steps: int) -> Mapping[str, int]:
    """The steps of each system; timed once, in turns, and kept in runs/steps.csv."""
    path = runs / STEPS_TABLE
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame({"system": [], "seconds": [], "steps": []})
    known = dict(zip(rows["system"], rows["steps"].astype(int), strict=True))
    if new := [name for name in SYSTEMS if name not in known]:
        timed = timings(project, params, [REFERENCE, *(name for name in new if name != REFERENCE)])
        wanted = {name: round(steps * timed[REFERENCE] / timed[name]) for name in new}
        more = pd.DataFrame([{"system": name, "seconds": timed[name], "steps": wanted[name]} for name in new])
        runs.mkdir(parents=True, exist_ok=True)
        pd.concat([rows, more]).to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
        known |= wanted
    return known


def timings(project: Path, params: Params, names: Sequence[str]) -> Mapping[str, float]:
    """CPU seconds of a training step: the mean over rounds in which all take turns."""
    steppers = {name: stepper(project, SYSTEMS[name].params(params)) for name in names}
    taken = {name: list[float]() for name in names}
    for _ in range(ROUNDS):
        for name, step in steppers.items():
            step()  # the first after another system's is slower
            start = time.process_time()
            for _ in range(STEPS):
                step()
            taken[name].append((time.process_time() - start) / STEPS)
    return {name: sum(values) / len(values) for name, values in taken.items()}


def stepper(project: Path, params: Params) -> Callable[[], None]:
    """A training step with its data, optimizer and moving average."""
    separator = Separator(Config.of(params, covers_song=False)).train()
    average, optimizer = AveragedModel(separator), torch.optim.AdamW(separator.parameters(), 1e-4)
    stream = segments(project, params)

    def step() -> None:
        batch = next(stream)
        rngs = generators([(0, int(number)) for number in batch["number"]], torch.device("cpu"))
        optimizer.zero_grad()
        separator.loss(batch["stems"], params.train.loss, rngs)["loss"].backward()
        optimizer.step()
        average.update_parameters(separator)

    return step


def segments(project: Path, params: Params) -> Iterator[batches.Sample]:
    """The batches of a run, read in this process."""
    shards = Shards(project / "data" / "shards", "train", Settings.of(params))
    frames = round(params.train.segment_seconds * params.audio.sample_rate / params.stft.hop_length)
    drawn = batches.Segments(shards, params.model.targets, frames, params.train.augment, params.seed)
    size = params.train.batch_size
    return (drawn.__getitems__(range(first, first + size)) for first in itertools.count(0, size))
