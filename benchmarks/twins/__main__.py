"""Train diffusions and their twins for the same time, score them, and say what the calls earn.

    cd benchmarks
    python -m twins PROJECT RUNS --steps 3500              # trains what is missing, scores the valid split
    python -m twins PROJECT RUNS --steps 3500 --test       # and the test split: once, when all is chosen

PROJECT is a checkout in which `dvc repro shard` has run: the demo, or `unsung preset mir1k`. RUNS keeps
models and rows; a run that was killed goes on. One thread. --steps are those of the predictive twin, the
others take as many as fit into its time, as measured in turns.
"""

import argparse
from pathlib import Path

import torch

from twins.score import score_all
from twins.systems import SYSTEMS
from twins.train import train_all
from unsung.errors import told_in_one_line


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=SYSTEMS, nargs="+", default=list(SYSTEMS), metavar="SYSTEM")
    parser.add_argument("--test", action="store_true")
    told = parser.parse_args()
    torch.set_num_threads(1)
    with told_in_one_line():
        for seed in told.seeds:
            for name in told.only:
                train_all(told.project, told.runs, [name], [seed], told.steps)
                for split in ["valid", *["test"] * told.test]:
                    score_all(told.project, told.runs, split, [name], [seed])


if __name__ == "__main__":
    main()
