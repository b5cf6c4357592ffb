"""Compare networks and processes, each trained for the same time on this machine.

    dvc repro shard
    export OMP_NUM_THREADS=1
    python benchmarks/crossings.py queue     # times a step and queues an experiment for each row
    dvc queue start                          # runs them one by one; dvc queue status shows progress
    python benchmarks/crossings.py table     # reads them, times separation, writes crossings.csv

A second argument names the table: demo (the default), or mir1k, for which `unsung preset mir1k` has
to set up the pipeline first. Rows that differ in sampling only share one training, by DVC's run
cache. docs/experiments.md has the results, and the report shows benchmarks/crossings.csv.
"""

import argparse
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dvc.api
import numpy as np
import pandas as pd
import torch
from common import ROOT, SMALL, changed, seconds
from stepping import segments, stepper

from unsung import separation
from unsung.config.params import load_params
from unsung.config.schema import Params, params_schema
from unsung.data import batches
from unsung.models.separator import Config, Separator
from unsung.reporting import markdown

FEW = (1, 2, 4, 8)
MANY = (*FEW, 20, 50)
MEASURES = ("sdr", "sir", "sar", "sdr_gain", "nsdr", "gnsdr", "gsir", "gsar")
TYPES = {"seconds": "Int64"}
KEYS = ["table", "network", "process", "calls"]
VALIDATIONS = 3
CALIBRATION_STEPS, CALIBRATION_SECONDS = 8, 8
RESULTS = ROOT / "benchmarks" / "crossings.csv"
MAX_REPEATED = 3  # seconds; a window that takes longer is timed once


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
    "mir1k": Table(  # the best three of the demo's table
        1800,
        (
            Crossing("band_split", "bridge", (1,)),
            Crossing("band_split", "predictive", (1,)),
            Crossing("band_split", "ddpm", (1,)),
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
        chosen: dict[str, object] = {"model.network": crossing.network, "model.process": crossing.process}
        values = chosen | SMALL.get(crossing.network, {})
        taken = step_seconds(changed(params, values))
        steps = VALIDATIONS * math.ceil(wanted.seconds / taken / VALIDATIONS)
        print(f"{crossing.network} with {crossing.process}: {taken:.3f} s a step, {steps} steps")
        values |= {"train.steps": steps, "train.valid_every": steps // VALIDATIONS}
        for calls in crossing.calls:
            values |= {f"processes.{crossing.process}.calls": calls}
            settings = [part for key, value in values.items() for part in ("-S", f"{key}={value}")]
            subprocess.run(["dvc", "exp", "run", "--queue", "--name", experiment(name, crossing, calls), *settings], check=True)


def experiment(name: str, crossing: Crossing, calls: int) -> str:
    """The name of a row's experiment."""
    return f"{name}-{crossing.network}-{crossing.process}-{calls}".replace("_", "-")


def step_seconds(params: Params) -> float:
    """The median time of a training step on the project's shards, with AdamW and moving average."""
    step = stepper(params, iter(batches.loader(segments(ROOT, params), params, 0)))
    step()  # the first is slower
    taken = [seconds(step)]
    while len(taken) < CALIBRATION_STEPS or sum(taken) < CALIBRATION_SECONDS:
        taken.append(seconds(step))
    return float(np.median(taken))


def results(name: str) -> None:
    """Write and print the rows that the queue has finished."""
    done = pd.DataFrame(list(finished(name)))
    if done.empty:
        raise SystemExit(f"no experiment of {name} is done in this checkout; dvc queue status shows how far they are")
    done = done.astype(TYPES)
    known = pd.read_csv(RESULTS, dtype=TYPES) if RESULTS.exists() else done[:0]
    rows = pd.concat([known, done]).drop_duplicates(KEYS, keep="last")
    rows.to_csv(RESULTS, index=False, float_format="%.4g")
    print(markdown.table(rows[rows["table"] == name].drop(columns="table")))


def finished(name: str) -> Iterator[dict[str, Any]]:
    """A row for each experiment that is done."""
    command = ["git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps"]
    done = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    for crossing in TABLES[name].crossings:
        taken = trained_seconds(experiment(name, crossing, crossing.calls[0]))
        for calls in crossing.calls:
            revision = experiment(name, crossing, calls)
            if revision not in done:
                print(f"{revision} is not done", file=sys.stderr)
                continue
            params = params_schema().model_validate(dvc.api.params_show(rev=revision))
            scores = dvc.api.metrics_show(rev=revision)
            yield {
                "table": name,
                "network": crossing.network,
                "process": crossing.process,
                "parameters": sum(weight.numel() for weight in Separator(Config.of(params, False)).parameters()),
                "steps": params.train.steps,
                "seconds": taken,
                "calls": calls,
                **{
                    f"{source}_{measure}": scores[source][measure]
                    for source in ("vocals", "accompaniment")
                    for measure in MEASURES
                    if measure in scores[source]
                },
                "real_time_factor": real_time_factor(params),
            }


def trained_seconds(revision: str) -> int | None:
    """Training time by the log's progress bars, without validation; None if there is no log."""
    log = subprocess.run(["dvc", "queue", "logs", revision], check=False, capture_output=True, text=True).stdout
    first = dict[str, str]()
    for epoch, time in re.findall(r"Epoch (\d+): 100%.*? \[([\d:]+)<", log):
        first.setdefault(epoch, time)  # the bar of an epoch stays while it is validated
    return sum(int(part) * 60**place for time in first.values() for place, part in enumerate(reversed(time.split(":")))) or None


def real_time_factor(params: Params) -> float:
    """Seconds of one thread for a second of a long song; the weights do not matter."""
    torch.set_num_threads(1)
    separator = Separator(Config.of(params, covers_song=False)).eval()
    separator.sample_with(params.process)
    plan = separation.Method.of(ROOT / "models" / "best", params).plan(separator.config)
    window = 0.1 * np.random.default_rng(0).standard_normal((plan.window, params.audio.channels)).astype(np.float32)

    def once() -> float:
        return seconds(lambda: list(separation.stems(separator, iter([window]), plan)))

    first = once()
    taken = first if first > MAX_REPEATED else min(first, *(once() for _ in range(4)))
    return taken * params.audio.sample_rate / (plan.window - plan.overlap)


if __name__ == "__main__":
    main()
