"""Put a trained model into the package, with its card: weights of 16 bits, which are half the megabytes.

    python -m recipes.songs.ship RUN DATA

RUN is a folder of `train` (or its fallen/). The card's scores are those of `valid`; test recordings are scored by `unsung score`.
"""

import argparse
import datetime
import subprocess
from pathlib import Path

import torch
from ruamel.yaml import YAML
from safetensors.torch import save

from recipes.songs import valid
from recipes.songs.recipe import RECIPE
from unsung.files import atomically
from unsung.models.separator import WEIGHTS, Separator
from unsung.shipped import CARD, FOLDER, Card, Score, Source

SUMMARY = "Takes the voice out of real songs; trained on nothing but composed songs and recordings under free licences."
MEASURES = {
    "mir1k": ("24 clips of MIR-1K's training singers", "SDR improvement of the vocals, mean"),
    "ssvd": ("16 solo singers over instrumental tracks", "SDR improvement of the vocals, mean"),
    "song": ("a real song", "vocals SDR, median over seconds"),
}


def sources() -> list[Source]:
    """Every source in sources.yaml."""
    found = YAML(typ="safe").load(RECIPE.with_name("sources.yaml"))
    of_kinds = [(name, values) for kind in found.values() for name, values in kind.items()]
    return [Source(name=name, licence=values["licence"], credit=values["credit"]) for name, values in of_kinds]


def ship(run: Path, data: Path, folder: Path) -> Card:
    """Write the model folder with its card."""
    separator = Separator.load(run / "average")
    state = torch.load(run / "state.pt", weights_only=True)
    half = {name: value.half().contiguous() for name, value in separator.state_dict().items()}
    separator.load_state_dict(half)
    scores = []
    for name, value in valid.scores(separator, data, []).items():
        where, measure = MEASURES[name.split()[0]]
        scores.append(Score(data=f"{where}{name.removeprefix(name.split()[0])}", measure=measure, decibels=round(value, 2)))
    card = Card(
        summary=SUMMARY,
        licence="CC-BY-SA-4.0",
        made=datetime.date.today().isoformat(),
        commit=subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip(),
        hours=round(state["seconds"] / 3600, 2),
        steps=state["step"],
        scores=tuple(scores),
        sources=tuple(sources()),
    )
    with atomically(folder) as partial:
        separator.save(partial)
        (partial / WEIGHTS).write_bytes(save(half))
        (partial / CARD).write_text(card.model_dump_json(indent=1) + "\n")
    return card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER / "songs")
    args = parser.parse_args()
    print(ship(args.run, args.data, args.folder).model_dump_json(indent=1))


if __name__ == "__main__":
    main()
