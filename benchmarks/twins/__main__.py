"""Train diffusions and their twins for the same time, score them, and say what the calls earn.

    cd benchmarks
    python -m twins PROJECT RUNS OUT --steps 1800          # train what is missing, score on valid
    python -m twins PROJECT RUNS OUT --steps 1800 --test   # and on test: once, when all is chosen

PROJECT is a checkout in which `dvc repro shard` has run: the demo, or `unsung preset mir1k`. RUNS
keeps models and rows; a run that was killed goes on. OUT gets the tables and the figure of what is
there. One thread. --steps are those of the predictive twin, the others take as many as fit into its
time, as measured in turns.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from twins import results
from twins.score import score_all
from twins.systems import SYSTEMS
from twins.train import train_all
from unsung.errors import told_in_one_line


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=SYSTEMS, nargs="+", default=list(SYSTEMS), metavar="SYSTEM")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--figure", type=Path, help="an SVG of the last split; OUT/<split>.svg if not given")
    told = parser.parse_args()
    torch.set_num_threads(1)
    splits = ["valid", *["test"] * told.test]
    with told_in_one_line():
        for seed in told.seeds:
            for name in told.only:
                train_all(told.project, told.runs, [name], [seed], told.steps)
                for split in splits:
                    score_all(told.project, told.runs, split, [name], [seed])
        rows = pd.concat([score_all(told.project, told.runs, split, told.only, told.seeds) for split in splits])
        table = results.write(told.runs, rows, told.out)
        results.figure(
            table, told.figure or told.out / f"{splits[-1]}.svg", f"{splits[-1]} tracks, {table['seeds'].max():.0f} seed(s)"
        )
        print(table.to_markdown(index=False, floatfmt=".3f"))


if __name__ == "__main__":
    main()
