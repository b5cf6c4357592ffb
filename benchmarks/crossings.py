"""Networks and processes against each other, each trained for the same seconds on this machine.

    dvc repro shard
    export OMP_NUM_THREADS=1
    python benchmarks/crossings.py queue     # measures how long a step takes and queues an experiment for each row
    dvc queue start                          # runs them one after the other; dvc queue status shows how far they are
    python benchmarks/crossings.py table     # reads them, measures how fast they separate, writes crossings.csv

The first argument may be followed by the name of a table (demo by default, or mir1k, for which the pipeline has to be set up with
`unsung preset mir1k` first). Rows that differ in sampling only share their training by DVC's run cache. docs/experiments.md has
what came out, and the report shows benchmarks/crossings.csv.
"""

import argparse
import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dvc.api
import numpy as np
import pandas as pd
import torch
from common import ROOT, table
from torch.optim.swa_utils import AveragedModel

from unsung import separation
from unsung.data import batches
from unsung.data.shards import Settings, Shards
from unsung.models.separator import Config, Separator, generators
from unsung.params import Params, load_params

FEW = (1, 2, 4, 8)
MANY = (*FEW, 20, 50)
SMALL = {  # such that a CPU comes to a few hundred steps
    "unet": {"widths": [16, 32, 64, 128]},
    "tfswa_unet": {"dims": [16, 32, 64, 128], "depths": [2, 2, 2, 2]},
}
MEASURES = ("sdr", "sir", "sar", "sdr_gain", "nsdr", "gnsdr", "gsir", "gsar")
VALIDATIONS = 3
RESULTS = ROOT / "benchmarks" / "crossings.csv"
SONG = 20  # seconds, of which separating is timed


@dataclass(frozen=True)
class Crossing:
    """A network with a process, and the numbers of network calls to separate with."""

    network: str
    process: str
    calls: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Crossings that are trained for the same seconds."""

    seconds: float
    crossings: tuple[Crossing, ...]


TABLES = {
    "demo": Table(
        360,
        (
            Crossing("band_split", "bridge", FEW),
            Crossing("band_split", "predictive", (1,)),
            Crossing("band_split", "ddpm", MANY),
            Crossing("tfswa_unet", "predictive", (1,)),
            Crossing("crnn", "predictive", (1,)),
            Crossing("unet", "predictive", (1,)),
            Crossing("unet", "bridge", FEW),
            Crossing("unet", "ddpm", MANY),
        ),
    ),
    "mir1k": Table(
        1800,
        (
            Crossing("band_split", "bridge", (1,)),
            Crossing("band_split", "predictive", (1,)),
            Crossing("tfswa_unet", "predictive", (1,)),
        ),
    ),
}


def main() -> None:
    """Queue the experiments of a table, or read them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("queue", "table"))
    parser.add_argument("name", choices=TABLES, nargs="?", default="demo")
    arguments = parser.parse_args()
    (queue if arguments.what == "queue" else results)(arguments.name)


def queue(name: str) -> None:
    """Put an experiment for each row into DVC's queue."""
    wanted, params = TABLES[name], load_params(ROOT / "params.yaml")
    for crossing in wanted.crossings:
        mine = crossed(params, crossing)
        taken = step_seconds(mine)
        steps = VALIDATIONS * math.ceil(wanted.seconds / taken / VALIDATIONS)
        print(f"{crossing.network} with {crossing.process}: {taken:.3f} s a step, {steps} steps")
        values = {"model.network": crossing.network, "model.process": crossing.process, "train.steps": steps}
        values |= {"train.valid_every": steps // VALIDATIONS}
        values |= {f"networks.{crossing.network}.{key}": value for key, value in SMALL.get(crossing.network, {}).items()}
        for calls in crossing.calls:
            values |= {f"processes.{crossing.process}.steps": calls}
            settings = [part for key, value in values.items() for part in ("-S", f"{key}={value}")]
            subprocess.run(["dvc", "exp", "run", "--queue", "--name", experiment(name, crossing, calls), *settings], check=True)


def experiment(name: str, crossing: Crossing, calls: int) -> str:
    """What the experiment of a row is called."""
    return f"{name}-{crossing.network}-{crossing.process}-{calls}".replace("_", "-")


def crossed(params: Params, crossing: Crossing) -> Params:
    """The params with the network and the process of a crossing."""
    values = params.model_dump()
    values["model"] |= {"network": crossing.network, "process": crossing.process}
    values["networks"][crossing.network] |= SMALL.get(crossing.network, {})
    return Params.model_validate(values)


def step_seconds(params: Params, least: int = 8) -> float:
    """The median time of a step of training on the project's own shards: batch, loss, gradient, AdamW, moving average."""
    shards = Shards(ROOT / "data" / "shards", "train", Settings.of(params))
    separator = Separator(Config.of(params, covers_song=False)).train()
    average, optimizer = AveragedModel(separator), torch.optim.AdamW(separator.parameters(), 1e-4)
    frames = round(params.train.segment_seconds * params.audio.sample_rate / params.spectrum.hop_length)
    segments = batches.Segments(shards, params.model.targets, frames, params.train.augment, params.seed)
    batch, taken, start = iter(batches.loader(segments, params, 0)), list[float](), time.perf_counter()
    while len(taken) < least or sum(taken) < least:
        some = next(batch)
        rngs = generators([(0, int(number)) for number in some["number"]], torch.device("cpu"))
        optimizer.zero_grad()
        separator.loss(some["stems"], params.train.loss, rngs)["loss"].backward()
        optimizer.step()
        average.update_parameters(separator)
        taken.append(time.perf_counter() - start - sum(taken))
    return float(np.median(taken[1:]))


def results(name: str) -> None:
    """Write and print the table of what the queue has finished."""
    rows = pd.DataFrame(list(finished(name)))
    others = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    others = others[others["table"] != name] if len(others) else others
    pd.concat([others, rows]).to_csv(RESULTS, index=False, float_format="%.4g")
    print(table(list(rows.columns[1:]), [[_cell(value) for value in row[1:]] for row in rows.itertuples(index=False)]))


def finished(name: str) -> Iterator[dict[str, Any]]:
    """A row for each experiment that is done."""
    for crossing in TABLES[name].crossings:
        for calls in crossing.calls:
            revision = experiment(name, crossing, calls)
            try:
                found = dvc.api.metrics_show(rev=revision)
                values = dvc.api.params_show(rev=revision)
            except Exception as error:
                print(f"{revision} is not done: {error}")
                continue
            params = Params.model_validate(values)
            yield {
                "table": name,
                "network": crossing.network,
                "process": crossing.process,
                "parameters": sum(weight.numel() for weight in Separator(Config.of(params, False)).parameters()),
                "steps": params.train.steps,
                "calls": calls,
                **{
                    f"{source}_{measure}": value
                    for source in ("vocals", "accompaniment")
                    for measure, value in found[source].items()
                    if measure in MEASURES
                },
                "real_time_factor": real_time_factor(params),
            }


def real_time_factor(params: Params, rounds: int = 2) -> float:
    """Seconds of one thread for a second of music; which weights they are does not matter."""
    torch.set_num_threads(1)
    separator = Separator(Config.of(params, covers_song=False)).eval()
    rate = params.audio.sample_rate
    song = 0.1 * np.random.default_rng(0).standard_normal((SONG * rate, params.audio.channels)).astype(np.float32)
    plan = separation.Plan.of(params.separate, rate, params.process.model_dump(exclude={"forward"}), params.seed)
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        list(separation.stems(separator, iter([song]), plan))
        taken.append(time.perf_counter() - start)
    return min(taken) / SONG


def _cell(value: object) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1
        else f"{value:.2f}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    main()
