"""The metrics of two revisions, and their test tracks, compared one by one.

Tracks are paired, so that their different difficulty does not hide a change. A change is real if
Student's 95 % interval of the mean difference excludes zero, a sign test agrees (p < 0.05, which
needs six tracks), and it is large enough to matter. Other seeds of training are not considered.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from unsung.comparing.revisions import METRICS, SPLITS, Revision
from unsung.errors import UserError
from unsung.files import portable
from unsung.scoring.intervals import of_mean, sign_test

SCORING = ("evaluate.window_seconds", "evaluate.filter_taps", "evaluate.silent_estimates", "model.targets")
OF_TRACKS = ("sdr", "isr", "sir", "sar", "si_sdr", "nsdr", "stft_distance")  # metrics that each track has too
COLUMNS = {name: name for name in OF_TRACKS} | {"usdr": "global_sdr"}  # their columns of tracks.csv
BETTER_BELOW = {"stft_distance"}  # all others are better the higher they are
MAX_P = 0.05
NEGLIGIBLE = 0.05  # dB; a smaller mean difference does not matter, however certain it is


@dataclass(frozen=True)
class Comparison:
    """`base` and `head`, judged by one metric, such as vocals.sdr.

    Raises:
        UserError: `head` was not run, or has no such metric.
    """

    base: Revision
    head: Revision
    metric: str

    def __post_init__(self) -> None:
        head = self.head
        if head.missing:
            raise UserError(f"{head.missing[0]} is not in {head.name}; run dvc repro there, in the project's folder, and commit")
        if self.column not in head.tracks or self.metric not in head.metrics:
            known = ", ".join(f"{self.metric.split('.')[0]}.{name}" for name in COLUMNS)
            advice = f"--metric takes {known}, if there is such a source"
            raise UserError(f"{self.metric} is not among the scores of {head.name}; {advice}")

    @property
    def column(self) -> str:
        """The metric's column of tracks.csv."""
        source, _, name = self.metric.partition(".")
        return f"{source}_{COLUMNS.get(name, '')}"

    @property
    def sign(self) -> int:
        """1 if a higher value is better, else -1."""
        return -1 if self.metric.split(".")[-1] in BETTER_BELOW else 1

    @property
    def unit(self) -> str:
        """The metric's unit, to be put after a number."""
        return "" if self.sign < 0 else " dB"

    @cached_property
    def obstacles(self) -> list[str]:
        """Why the two cannot be compared; empty if they can."""
        if self.base.missing or self.metric not in self.base.metrics or self.column not in self.base.tracks:
            return [f"{self.base.name} has no {self.metric} ({(self.base.missing or [METRICS])[0]})"]
        stale = [side for side in (self.base, self.head) if side.not_run]
        obstacles = [f"{side.name} was not run with its params ({', '.join(side.not_run[:3])}): run dvc repro" for side in stale]
        if self.changed(SPLITS["test"]):
            obstacles.append("the test tracks are other ones, or other recordings of them")
        elif set(self.base.tracks["track"]) != set(self.head.tracks["track"]):
            obstacles.append("the names of the test tracks differ")
        obstacles += [f"{name} changed" for name in SCORING if self.base.params.get(name) != self.head.params.get(name)]
        if odd := int((np.isfinite(self._both["base"]) != np.isfinite(self._both["head"])).sum()):
            obstacles.append(f"{odd} track(s) have a score in only one of the two")
        return obstacles

    @property
    def remarks(self) -> list[str]:
        """Warnings that do not rule out a comparison."""
        changed = [path for path in dict.fromkeys(self.base.scoring_code + self.head.scoring_code) if self.changed(path)]
        if not changed or self.base.missing:
            return []
        return [f"The code that scores changed ({', '.join(changed)}): a difference may be of the scores, not of the model."]

    @cached_property
    def _both(self) -> pd.DataFrame:
        tracks = (revision.tracks.set_index("track") for revision in (self.base, self.head))
        columns = [table.reindex(columns=[self.column])[self.column] for table in tracks]
        return pd.concat(columns, axis=1, keys=["base", "head"], join="inner").rename_axis("track").reset_index()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """track, base, head, difference; from the largest loss to the largest gain."""
        scored = self._both[np.isfinite(self._both[["base", "head"]].astype(float)).all(axis=1)]
        pairs = scored.assign(difference=scored["head"] - scored["base"])
        return pairs.sort_values("difference", ascending=self.sign > 0).reset_index(drop=True)

    @property
    def worse(self) -> pd.DataFrame:
        """The pairs that got worse, worst first."""
        return self.pairs[self.pairs["difference"] * self.sign < 0]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean difference."""
        return of_mean(self.pairs["difference"].to_numpy(float))

    @cached_property
    def sign_test(self) -> float:
        """The p-value of the sign test."""
        return sign_test(self.pairs["difference"].to_numpy(float))

    @property
    def change(self) -> float:
        """The difference of the metric itself."""
        return self.head.metrics[self.metric] - self.base.metrics.get(self.metric, np.nan)

    @property
    def verdict(self) -> Literal["better", "worse", "noise", "same", "not comparable"]:
        """Whether the change is real, and in which direction."""
        if self.obstacles:
            return "not comparable"
        if not self.pairs["difference"].any():
            return "same"
        low, high = self.interval
        if self.sign_test >= MAX_P or not (low > 0 or high < 0) or abs(self.pairs["difference"].mean()) < NEGLIGIBLE:
            return "noise"
        return "better" if self.sign * low > 0 else "worse"

    def fell_below(self, threshold: float, anyway: bool = False) -> bool:
        """Whether the metric fell below `threshold`; False if not comparable, unless `anyway`."""
        return (anyway or not self.obstacles) and self.sign * self.change < threshold

    def changes(self, what: Literal["metrics", "params"]) -> pd.DataFrame:
        """name, base, head, where they differ; None if a revision lacks it."""
        base, head = getattr(self.base, what), getattr(self.head, what)
        both = {name: (base.get(name), head.get(name)) for name in [*base, *head]}
        rows = [(name, *values) for name, values in both.items() if values[0] != values[1]]
        return pd.DataFrame(rows, columns=["name", "base", "head"], dtype=object)

    @property
    def data(self) -> list[str]:
        """The splits that changed."""
        return [split for split, path in SPLITS.items() if self.changed(path)]

    def changed(self, path: str) -> bool:
        """Whether a path of dvc.lock has another hash."""
        return self.base.hashes.get(path) != self.head.hashes.get(path)

    def pictured(self, most: int = 2) -> list[str]:
        """Tracks to show: the largest losses if the metric fell, else gains; pictured in both."""
        if self.obstacles:
            return []
        ordered = self.pairs["track"] if self.sign * self.change < 0 else self.pairs["track"][::-1]
        return [name for name in ordered if self.base.read(picture(name)) and self.head.read(picture(name))][:most]


def picture(track: str) -> str:
    """The path of a track's picture in a revision."""
    return f"reports/figures/{portable(track)}.jpg"
