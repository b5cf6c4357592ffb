"""A model folder that restyles: a restyler, and the folder `vocoder` with what makes it audible.

way.json in it says which way from log-mels to sound was the best on the valid songs.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from unsung.errors import UserError
from unsung.restyle.restyler import WHAT_TO_DO, Restyler
from unsung.restyle.vocoder.network import Vocoder
from unsung.restyle.vocoder.streaming import NAMES, Name, System, system

VOCODER, WAY = "vocoder", "way.json"


@dataclass(frozen=True)
class Model:
    """A restyler and a way to make its log-mels audible."""

    restyler: Restyler
    way: System

    @classmethod
    def load(cls, folder: Path, way: str = "best") -> "Model":
        """Read a model folder; `way` is one of NAMES, or the one that the folder names.

        Raises:
            UserError: a file is missing, or is not as it was written.
        """
        restyler, vocoder = Restyler.load(folder), Vocoder.load(folder / VOCODER)
        if vocoder.mel != restyler.config.mel:
            raise UserError(f"{folder / VOCODER} takes other log-mels than the model gives; {WHAT_TO_DO}")
        return cls(restyler, system(_best(folder / WAY) if way == "best" else _known(way), vocoder))


def write_way(folder: Path, name: Name) -> None:
    """Say in a model folder which way is the best."""
    (folder / WAY).write_text(json.dumps({"way": name}) + "\n")


def _best(path: Path) -> Name:
    try:
        found = json.loads(path.read_text("utf-8"))["way"]
        return _known(str(found))
    except (OSError, ValueError, KeyError, TypeError, UserError):
        raise UserError(f"{path} does not say which of {', '.join(NAMES)} to take; {WHAT_TO_DO}") from None


def _known(way: str) -> Name:
    for name in NAMES:
        if name == way:
            return name
    raise UserError(f"there is no vocoder {way}; choose {', '.join(NAMES)}")
