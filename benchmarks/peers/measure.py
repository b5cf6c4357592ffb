"""Measure the shipped model beside other separators, the mixture and the oracle ratio mask.

    make peers DATA=../shared/data               # the sets that models are chosen by
    make peers DATA=../shared/data SETS=test     # and the test sets: once, when the model is final
    make peers DATA=../shared/data LIMIT=10      # a first look: 10 clips of each set of MIR-1K

recordings.py says what DATA holds and why test sets are looked at once. Each system separates each
set in a process of its own, on one thread. What it made is kept in .bench/peers/, so a run that was
killed goes on, and nothing is done twice unless a model, a recording or the code changed. The
vocals are the system's; the accompaniment is the mixture minus the vocals. They are scored as by
`unsung score`: medians over seconds, then over recordings; for MIR-1K also GNSDR, GSIR and GSAR.

A whole run writes benchmarks/results/<date>/peers.csv and, with what it was measured with,
peers.json; without the test sets they are called peers_valid.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from common import ROOT
from tqdm import tqdm

from peers import results
from peers.fetch import BENCH
from peers.recordings import SETS, Piece, pieces
from peers.worker import Job
from unsung.errors import UserError, told_in_one_line
from unsung.files import atomically, fingerprint

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
HERE = Path(__file__).parent


@dataclass(frozen=True)
class System:
    """A separator: its driver, and a first guess of its seconds for a second of song."""

    name: str
    module: str
    guess: float

    @property
    def driver(self) -> ModuleType:
        """Its module: weights(), load(), LICENCE and CODE."""
        return importlib.import_module(f"peers.{self.module}")


SYSTEMS = (System("unsung", "shipped", 0.05), System("Spleeter", "spleeter", 0.1), System("HTDemucs", "htdemucs", 1.5))


@dataclass(frozen=True)
class Run:
    """What one system does with the pieces of one set."""

    system: System
    estimates: dict[Path, Piece]  # where each one goes

    @property
    def title(self) -> str:
        """The system and the set."""
        return f"{self.system.name}, {next(iter(self.estimates.values())).set}"

    @property
    def missing(self) -> dict[Path, Piece]:
        """What is still to be done."""
        return {path: piece for path, piece in self.estimates.items() if not path.exists()}

    @property
    def seconds(self) -> float:
        """About how long the rest will take, by what is done or else by the guess."""
        done = [path for path in self.estimates if path.exists()]
        took, played = sum(float(np.load(path)["wall"]) for path in done), sum(self.estimates[path].seconds for path in done)
        return sum(piece.seconds for piece in self.missing.values()) * (took / played if done else self.system.guess)


def runs(systems: Sequence[System], some: Sequence[Piece]) -> list[Run]:
    """A run for each system and set; the names of the estimates follow from all they depend on."""
    planned = []
    for system in systems:
        code = [(HERE / name).resolve() for name in ("worker.py", *system.driver.CODE)]
        made_by = fingerprint([], [*system.driver.weights(), *code])
        for name in dict.fromkeys(piece.set for piece in some):
            folder = BENCH / "runs" / system.module / name
            own = [piece for piece in some if piece.set == name]
            planned.append(Run(system, {folder / f"{piece.name}.{fingerprint(made_by, piece.files)}.npz": piece for piece in own}))
    return planned


def separate(run: Run, bar: tqdm) -> None:
    """Do what is missing of a run.

    Raises:
        UserError: the process of the system ended early.
    """
    jobs = []
    for path, piece in run.missing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        mixture = BENCH / "mixtures" / piece.set / f"{piece.name}.{fingerprint([], piece.files)}.npy"
        if not mixture.exists():
            with atomically(mixture) as partial, partial.open("wb") as file:
                np.save(file, piece.mixture())
        jobs.append(Job(str(mixture), str(path), piece.sample_rate))
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command, pipe = worker_command(run.system.module), subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("".join(f"{job.line}\n" for job in jobs))
        process.stdin.close()
        for line in process.stdout:
            bar.update(run.estimates[Path(line.rstrip("\n"))].seconds)
    if process.returncode:
        raise UserError(f"{run.system.name} ended with exit code {process.returncode}; what it did is kept, run again")


def worker_command(module: str) -> list[str]:
    """What starts the process of a system."""
    return [sys.executable, "-m", "peers.worker", module]


def duration(seconds: float) -> str:
    """In words, rounded."""
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def measure(data: Path, sets: str, systems: Sequence[System], limit: int | None) -> pd.DataFrame:
    """Separate and score what is missing; the table of results.

    Raises:
        UserError: recordings or weights are missing, or a system failed.
    """
    some = pieces(data, sets, limit)
    planned = runs(systems, some)
    for run in planned:
        if run.missing:
            print(f"{run.title}: {len(run.missing)} of {len(run.estimates)} recordings, about {duration(run.seconds)}")
    print(f"in all about {duration(sum(run.seconds for run in planned))}, and the scores", flush=True)
    for run in planned:
        if run.missing:
            music = sum(piece.seconds for piece in run.missing.values())
            with tqdm(total=music, desc=run.title, bar_format=results.BAR) as bar:
                separate(run, bar)
    made: dict[tuple[str, str], results.Made] = {}
    for run in planned:
        for path, piece in run.estimates.items():
            made.setdefault((piece.set, piece.name), results.Made(piece, {})).paths[run.system.name] = path
    facts = {system.name: (system.driver.LICENCE, system.driver.weights()) for system in systems}
    return results.table(list(made.values()), facts)


def main() -> None:
    """Measure, print, and write the table if it is whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [system.name for system in SYSTEMS]
    parser.add_argument("data", type=Path, help="the folder with the recordings")
    parser.add_argument("--sets", choices=SETS, default="valid", help="valid, or test: valid and the test sets")
    parser.add_argument("--systems", nargs="+", choices=names, default=names, help="by default all")
    parser.add_argument("--limit", type=int, help="clips to take of each set of MIR-1K; nothing is written then")
    arguments = parser.parse_args()
    systems = [system for system in SYSTEMS if system.name in arguments.systems]
    with told_in_one_line():
        table = measure(arguments.data, arguments.sets, systems, arguments.limit)
        print(results.shown(table))
        if arguments.limit or len(systems) < len(SYSTEMS):
            print("a part of the systems or recordings: nothing is written to benchmarks/results/")
        else:
            name = "peers" if arguments.sets == "test" else "peers_valid"
            place = ROOT / "benchmarks" / "results" / date.today().isoformat() / f"{name}.csv"
            print(", ".join(map(str, results.write(table, place, [system.driver for system in systems]))))


if __name__ == "__main__":
    main()
