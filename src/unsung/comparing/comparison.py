"""Two revisions' metrics, and the same test tracks in both of them, one by one.

Tracks are paired, so that the hard ones do not hide what changed. A change is called real if Student's 95 % interval of the mean
difference leaves zero out, a sign test agrees (p < 0.05; with less than six tracks it never can), and it is large enough to
matter. All of that is about other tracks of this kind, not about other seeds of training.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from unsung.comparing.revisions import METRICS, SPLITS, WEIGHTS, Revision
from unsung.errors import UserError
from unsung.files import portable
from unsung.scoring.intervals import of_mean, sign_test

SCORING = ("evaluate.window_seconds", "evaluate.filter_taps", "evaluate.silent_estimates", "model.targets")
COLUMNS = {  # of metrics/separation.json, those that each track has too, under which name in tracks.csv
    **{name: name for name in ("sdr", "isr", "sir", "sar", "si_sdr", "nsdr", "stft_distance")},
    "usdr": "global_sdr",
}
BETTER_BELOW = {"stft_distance"}  # all others are better the higher they are
SURE = 0.05
NEGLIGIBLE = 0.05  # dB; a smaller mean difference does not matter, however sure it is
Verdict = Literal["better", "worse", "noise", "same", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """`base` and `head`, judged by one metric such as vocals.sdr.

    Raises:
        UserError: `head` was not run, or has no such metric.
    """

    base: Revision
    head: Revision
    metric: str

    def __post_init__(self) -> None:
        if self.head.missing:
            raise UserError(
                f"{self.head.missing[0]} is not in {self.head.name}; run dvc repro there, in the project's folder, and commit"
            )
        if self.column not in self.head.tracks or self.metric not in self.head.metrics:
            source = self.metric.split(".")[0]
            known = ", ".join(f"{source}.{name}" for name in COLUMNS)
            raise UserError(
                f"{self.metric} is not among the scores of {self.head.name}; --metric takes {known}, if there is such a source"
            )

    @property
    def column(self) -> str:
        """Of tracks.csv."""
        source, _, name = self.metric.partition(".")
        return f"{source}_{COLUMNS.get(name, '')}"

    @property
    def sign(self) -> int:
        """Of a change for the better."""
        return -1 if self.metric.split(".")[-1] in BETTER_BELOW else 1

    @property
    def unit(self) -> str:
        """Of the metric."""
        return "" if self.sign < 0 else " dB"

    @cached_property
    def obstacles(self) -> list[str]:
        """Why figures of the one say nothing about the other, if so."""
        if self.base.missing or self.metric not in self.base.metrics or self.column not in self.base.tracks:
            return [f"{self.base.name} has no {self.metric} ({(self.base.missing or [METRICS])[0]})"]
        found = []
        for revision in (self.base, self.head):
            if names := revision.not_run:
                found.append(f"{revision.name} was not run with its params ({', '.join(names[:3])}): run dvc repro")
        if self.changed(SPLITS["test"]):
            found.append("the test tracks are other ones, or other recordings of them")
        elif set(self.base.tracks["track"]) != set(self.head.tracks["track"]):
            found.append("the names of the test tracks differ")
        found += [f"{name} changed" for name in SCORING if self.base.params.get(name) != self.head.params.get(name)]
        both = self._both
        if odd := int((np.isfinite(both["base"]) != np.isfinite(both["head"])).sum()):
            found.append(f"{odd} track(s) have a score in only one of the two")
        return found

    @property
    def remarks(self) -> list[str]:
        """What to bear in mind."""
        code = {**self.base.scoring_code, **self.head.scoring_code}
        changed = [path for path in code if self.changed(path)]
        if not changed or self.base.missing:
            return []
        return [f"The code that scores changed ({', '.join(changed)}): a difference may be of the scores, not of the model."]

    @cached_property
    def _both(self) -> pd.DataFrame:
        if self.column not in self.base.tracks:
            return pd.DataFrame(columns=["track", "base", "head"], dtype=float)
        both = (revision.tracks.set_index("track")[self.column] for revision in (self.base, self.head))
        return pd.concat(both, axis=1, keys=["base", "head"], join="inner").rename_axis("track").reset_index()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """track, base, head, difference; from what lost most to what gained most."""
        found = self._both[np.isfinite(self._both[["base", "head"]].astype(float)).all(axis=1)]
        found = found.assign(difference=found["head"] - found["base"])
        return found.sort_values("difference", ascending=self.sign > 0).reset_index(drop=True)

    @property
    def worse(self) -> pd.DataFrame:
        """The pairs that got worse, worst first."""
        return self.pairs[self.pairs["difference"] * self.sign < 0]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Of the mean difference."""
        return of_mean(self.pairs["difference"].to_numpy(float))

    @cached_property
    def sign_test(self) -> float:
        """Its p."""
        return sign_test(self.pairs["difference"].to_numpy(float))

    @property
    def change(self) -> float:
        """Of the metric itself."""
        return self.head.metrics[self.metric] - self.base.metrics.get(self.metric, np.nan)

    @property
    def verdict(self) -> Verdict:
        """Whether the change is real."""
        if self.obstacles:
            return "not comparable"
        if not self.pairs["difference"].any():
            return "same"
        low, high = self.interval
        if self.sign_test >= SURE or not (low > 0 or high < 0) or abs(self.pairs["difference"].mean()) < NEGLIGIBLE:
            return "noise"
        return "better" if self.sign * low > 0 else "worse"

    def fell_below(self, threshold: float, anyway: bool = False) -> bool:
        """Whether the metric got worse by more than that (below zero); what cannot be compared did not, but `anyway`."""
        return (anyway or not self.obstacles) and self.sign * self.change < threshold

    def changes(self, what: Literal["metrics", "params"]) -> pd.DataFrame:
        """name, base, head where they differ; what one of them does not have is None."""
        base, head = getattr(self.base, what), getattr(self.head, what)
        names = [name for name in dict.fromkeys([*base, *head]) if base.get(name) != head.get(name)]
        rows = [(name, base.get(name), head.get(name)) for name in names]
        return pd.DataFrame(rows, columns=["name", "base", "head"], dtype=object)

    @property
    def data(self) -> list[str]:
        """The splits that changed."""
        return [split for split, path in SPLITS.items() if self.changed(path)]

    @property
    def weights(self) -> bool:
        """Whether the model is another one."""
        return self.changed(WEIGHTS)

    def changed(self, path: str) -> bool:
        """Whether something that dvc.lock names is another one."""
        return self.base.hashes.get(path) != self.head.hashes.get(path)

    def pictured(self, most: int = 2) -> list[str]:
        """The tracks that lost most, or else gained most, of those with a picture in both; none if not comparable."""
        if self.obstacles:
            return []
        ordered = self.pairs if self.sign * self.change < 0 else self.pairs[::-1]
        names = [name for name in ordered["track"] if all(one.read(picture(name)) for one in (self.base, self.head))]
        return names[:most]


def picture(track: str) -> str:
    """Where a revision has a track's picture."""
    return f"reports/figures/{portable(track)}.jpg"
