"""What each part of the recipe is worth: the same steps from the same state, with the part and without it.

    python -m recipes.songs.ablate PACKED DATA STATE [--steps 1000] [--seeds 3] [--only NAME]

Each run goes on from STATE (a state.pt) with a learning rate that falls to nothing, so that one validation is not far from the
next. A row for each run is added to ablation.csv; what has a row is not run again. SIGTERM ends it; the run at work is lost.
"""

import argparse
import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from ruamel.yaml import YAML

from recipes.songs import valid
from recipes.songs.pools import Mixes
from recipes.songs.recipe import RECIPE, Recipe
from recipes.songs.train import LEAST, Run

TABLE = Path(__file__).with_name("ablation.csv")
GPL = ("wesnoth", "warzone2100", "colobot")  # whole pools; voices of banks are mixed within theirs
Values = dict  # of recipe.yaml


def without(*names: str) -> Callable[[Values], None]:
    """Leave pools out."""

    def change(values: Values) -> None:
        values["pools"] = [pool for pool in values["pools"] if pool["name"] not in names]

    return change


def varied(**values_of: object) -> Callable[[Values], None]:
    """Draw segments otherwise."""
    return lambda values: values["variety"].update(values_of)


def bridged(share: float) -> Callable[[Values], None]:
    """Another share of segments at the start of the bridge; at 1 it is a predictive network with a state that says nothing."""
    return lambda values: values["model"]["process_settings"].update(start_share=share)


CHANGES: Mapping[str, Callable[[Values], None]] = {
    "the recipe": lambda values: None,
    "no composed songs": without("composed"),
    "no real songs": without("everything_is_free"),
    "no speech": without("plain_speech", "spoken"),
    "no vocoded voices": without("voices", "spoken"),
    "no MIDI scores": without("arranged"),
    "no GPL music": without(*GPL),
    "no other speed": varied(speed=0.0),
    "no EQ": varied(equaliser=0.0),
    "no mono segments": varied(mono=0.0),
    "other tracts": varied(tract=0.5),
    "lower voices": varied(voice_semitones=(-7.0, 5.0)),
    "two accompaniments": varied(band=0.25),
    "the start of the bridge only": bridged(1.0),
}


def recipe_of(name: str, seed: int) -> Recipe:
    """The recipe with one change."""
    values = YAML(typ="safe").load(RECIPE)
    values["training"]["seed"] = seed
    CHANGES[name](values)
    return Recipe.model_validate(values)


def scored(recipe: Recipe, state: Path, packed: Path, data: Path, steps: int, known: list[valid.Scene]) -> dict[str, float]:
    """Train for some steps from a state; loss of the last half, and scores."""
    run = Run(recipe)
    run.load(state)
    mixes = Mixes(
        packed, recipe.pools, recipe.variety, recipe.model.sample_rate, recipe.model.stft, recipe.frames, recipe.training.seed
    )
    losses = [run.train_step(mixes, LEAST + (1 - LEAST) * 0.5 * (1 + math.cos(math.pi * step / steps))) for step in range(steps)]
    return {"loss": sum(losses[steps // 2 :]) / (steps - steps // 2), **valid.scores(run.average.module, data, known)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("packed", "data", "state"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CHANGES, nargs="*", default=list(CHANGES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = list[valid.Scene]()
    rows = list(csv.DictReader(TABLE.open())) if TABLE.exists() else []
    done = {(row["change"], int(row["seed"])) for row in rows}
    for seed in range(1, args.seeds + 1):
        for name in args.only:
            if (name, seed) not in done:
                row = {"change": name, "seed": seed, "steps": args.steps}
                row |= scored(recipe_of(name, seed), args.state, args.packed, args.data, args.steps, known)
                new = not TABLE.exists()
                with TABLE.open("a", newline="") as file:
                    writer = csv.DictWriter(file, row, lineterminator="\n")
                    if new:
                        writer.writeheader()
                    writer.writerow({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in row.items()})
                print(row, flush=True)


if __name__ == "__main__":
    main()
