"""What providers share: the facts of a dataset, and settings that several of them have."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import model_validator

from unsung.config.section import Count, Section, Share
from unsung.data.tracks import Recording


@dataclass(frozen=True)
class Facts:
    """What docs/data.md says of a dataset in its table."""

    title: str
    songs: str
    hours: str
    format: str
    download: str
    licence: str
    citation: str = ""  # authors and year
    url: str = ""  # DOI, or page


class DrawnSplits(Section):
    """Splits that are drawn by the hash of the tracks' names."""

    valid: Share
    test: Share

    @model_validator(mode="after")
    def _leaves_tracks_to_train_on(self) -> "DrawnSplits":
        if self.valid + self.test >= 1:
            raise ValueError("valid and test together must stay below 1, or nothing is left to train on")
        return self


class Limited(Section):
    """A part of a dataset."""

    limit: Count  # tracks to take of each split, 0 takes all


@runtime_checkable
class Provider(Protocol):
    """What a provider's module offers.

    Optional are `ARCHIVE`, the Remote that is downloaded unless data.root is a copy;
    `compose(root, settings, seed, compute)`, which makes the recordings below `root` first; and
    `credits(root)`, a Credit for each of its parts, where FACTS does not say all.
    """

    Settings: type[Section]
    FACTS: Facts

    def tracks(self, root: Path, settings: Section, targets: tuple[str, ...]) -> Iterable[Recording]:
        """All recordings below `root`, always in the same order.

        One that lost a file, or cannot be used for another reason, says so in its `fault`.
        """
