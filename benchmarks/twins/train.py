"""Train each system for the same time on one thread. What is trained already stays."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
from common import changed
from stepping import segments, stepper

from twins.systems import REFERENCE, SYSTEMS
from unsung import training
from unsung.config.params import load_params
from unsung.config.schema import Params
from unsung.data import batches
from unsung.data.shards import Settings, Shards
from unsung.data.tracks import read_index

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
    systems = {name: SYSTEMS[name].params(params) for name in names}
    steppers = {name: stepper(mine, stream(project, mine)) for name, mine in systems.items()}
    taken = {name: list[float]() for name in names}
    for _ in range(ROUNDS):
        for name, step in steppers.items():
            step()  # the first after another system's is slower
            start = time.process_time()
            for _ in range(STEPS):
                step()
            taken[name].append((time.process_time() - start) / STEPS)
    return {name: sum(values) / len(values) for name, values in taken.items()}


def stream(project: Path, params: Params) -> Iterator[batches.Sample]:
    """The batches of a run, read in this process."""
    drawn, size = segments(project, params), params.train.batch_size
    return (drawn.__getitems__(range(first, first + size)) for first in itertools.count(0, size))
