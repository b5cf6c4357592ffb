"""What a change did: two revisions' metrics, and the same test tracks in both of them, one by one.

Tracks are paired, so that the hard ones do not hide what changed. A change is called real if the 95 % bootstrap interval of the
mean difference leaves zero out and a sign test agrees (p < 0.05); with less than six tracks it never can. Both are about other
tracks of this kind, not about other seeds of training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import jinja2
import numpy as np
import pandas as pd

from unsung.errors import UserError
from unsung.files import atomically
from unsung.reporting import figures, tables
from unsung.reporting.intervals import interval, sign_test
from unsung.reporting.report import figure_name
from unsung.reporting.revisions import SPLITS, WEIGHTS, Revision

TEMPLATE = Path(__file__).with_name("comparison.md.jinja")
MARK = "<!-- unsung compare -->"  # by which a comment is found again
SCORING = ("evaluate.window_seconds", "evaluate.filter_taps", "evaluate.silent_estimates", "model.targets")
CODE = ("bsseval", "evaluation", "measures", "scoring")  # what scores
SURE = 0.05
Verdict = Literal["better", "worse", "noise", "same", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """`base` and `head`, judged by one metric such as vocals.sdr."""

    base: Revision
    head: Revision
    metric: str

    @cached_property
    def obstacles(self) -> list[str]:
        """Why figures of the one say nothing about the other, if so."""
        found = []
        if self._hash(SPLITS["test"]) is not None:
            found.append("the test tracks are other ones, or other recordings of them")
        elif set(self.base.tracks["track"]) != set(self.head.tracks["track"]):
            found.append("the names of the test tracks differ")
        found += [f"{self.base.name} has no {self.metric}"] if self.metric not in self.base.metrics else []
        found += [f"`{name}` changed" for name in SCORING if self.base.params.get(name) != self.head.params.get(name)]
        return found

    @property
    def remarks(self) -> list[str]:
        """What to bear in mind."""
        code = [f"src/unsung/{name}.py" for name in CODE]
        changed = [path for path in code if self.base.hashes.get(path) != self.head.hashes.get(path)]
        found = (
            [f"The code that scores changed ({', '.join(changed)}): a difference may be of the scores, not of the model."]
            if changed
            else []
        )
        odd = len(self._pairs) - len(self.pairs)
        return found + ([f"{odd} track(s) have no score in one of the two and are left out."] if odd else [])

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        column = self.metric.replace(".", "_")
        if column not in self.head.tracks or self.metric not in self.head.metrics:
            raise UserError(f"{self.metric} is not among the scores of {self.head.name}; give one such as vocals.sdr with --metric")
        if column not in self.base.tracks:
            return pd.DataFrame(columns=["track", "base", "head"], dtype=float)
        both = (revision.tracks.set_index("track")[column] for revision in (self.base, self.head))
        return pd.concat(both, axis=1, keys=["base", "head"], join="inner").reset_index()

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """track, base, head, difference; from what lost most to what gained most."""
        found = self._pairs[np.isfinite(self._pairs[["base", "head"]]).all(axis=1)]
        return found.assign(difference=found["head"] - found["base"]).sort_values("difference").reset_index(drop=True)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Of the mean difference."""
        return interval(self.pairs["difference"].to_numpy(float), np.mean)

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
        if self.sign_test >= SURE or not (low > 0 or high < 0):
            return "noise"
        return "better" if low > 0 else "worse"

    def fell_below(self, threshold: float) -> bool:
        """Whether the metric fell by more than that (in dB, below zero); what cannot be compared did not."""
        return not self.obstacles and self.change < threshold

    def changes(self, what: Literal["metrics", "params"]) -> pd.DataFrame:
        """name, base, head where they differ; what one of them does not have is a dash."""
        base, head = getattr(self.base, what), getattr(self.head, what)
        names = [name for name in dict.fromkeys([*base, *head]) if base.get(name) != head.get(name)]
        return pd.DataFrame(
            [(name, base.get(name), head.get(name)) for name in names], columns=["name", "base", "head"], dtype=object
        )

    @property
    def data(self) -> list[str]:
        """The splits that changed."""
        return [split for split, path in SPLITS.items() if self._hash(path) is not None]

    @property
    def weights(self) -> bool:
        """Whether the model is another one."""
        return self._hash(WEIGHTS) is not None

    def _hash(self, path: str) -> tuple[str | None, str | None] | None:
        both = (self.base.hashes.get(path), self.head.hashes.get(path))
        return None if both[0] == both[1] else both

    def pictured(self, most: int = 2) -> list[str]:
        """The tracks that lost most, or else gained most, of those that both revisions have a picture of; none if not comparable."""
        if self.obstacles:
            return []
        ordered = self.pairs if self.change < 0 else self.pairs[::-1]
        names = [name for name in ordered["track"] if all(one.read(_picture(name)) for one in (self.base, self.head))]
        return names[:most]


def _picture(track: str) -> str:
    return f"reports/figures/{figure_name(track)}.jpg"


def write_pictures(found: Comparison, folder: Path) -> None:
    """Write differences.png, each track's difference, and the pictures of some tracks in both revisions."""
    pairs = found.pairs
    if len(pairs):
        figures.differences(
            folder / "differences.png", list(pairs["track"]), pairs["difference"].to_numpy(float), found.interval, found.metric
        )
    for track in found.pictured():
        for side, revision in (("base", found.base), ("head", found.head)):
            with atomically(folder / f"{figure_name(track)}-{side}.jpg") as partial:
                partial.write_bytes(revision.read(_picture(track)) or b"")


def markdown(found: Comparison, folder: Path | None = None, repository: str = "", fail_below: float | None = None) -> str:
    """The comment: the verdict, what changed, track by track, pictures.

    Pictures are those in `folder` (write_pictures), or those that lie in the commits of the `repository` with this address.
    """
    pictures = []
    for track in found.pictured() if folder or repository else []:
        links = {
            side: f"{repository.rstrip('/')}/blob/{revision.sha}/{_picture(track)}?raw=true"
            if repository and revision.sha
            else f"{folder}/{figure_name(track)}-{side}.jpg"
            for side, revision in (("base", found.base), ("head", found.head))
        }
        pictures.append((track, links))
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    metrics = found.changes("metrics")
    metrics = metrics.assign(change=[_difference(base, head) for base, head in zip(metrics["base"], metrics["head"], strict=True)])
    judged = metrics["name"].str.startswith(found.metric.split(".")[0] + ".")
    return environment.from_string(TEMPLATE.read_text()).render(
        mark=MARK,
        found=found,
        words=words(found),
        metrics=tables.markdown(metrics[judged]) if judged.any() else "",
        others=tables.markdown(metrics[~judged]) if not judged.all() else "",
        params=tables.markdown(found.changes("params").map(_code)) if len(found.changes("params")) else "",
        tracks=tables.markdown(found.pairs.assign(change=bars(found.pairs["difference"]))),
        worse=tables.markdown(found.pairs[found.pairs["difference"] < 0]) if (found.pairs["difference"] < 0).any() else "",
        chart=f"{folder}/differences.png" if folder and not repository else "",
        pictures=pictures,
        failed=fail_below is not None and found.fell_below(fail_below),
        fail_below=fail_below,
    )


def plain(found: Comparison) -> str:
    """The same for a terminal, in short."""
    metrics, params = found.changes("metrics"), found.changes("params")
    lines = [words(found).replace("**", "").replace("`", ""), *found.remarks]
    lines += [f"data changed: {', '.join(found.data)}"] if found.data else []
    lines += [f"  {name}: {base} -> {head}" for name, base, head in params.itertuples(index=False)]
    rows = [(name, base, head) for name, base, head in metrics.itertuples(index=False) if None not in (base, head)]
    return "\n".join([*lines, *(f"  {name:<28} {base:>9.4g} -> {head:<9.4g} {head - base:+.4g}" for name, base, head in rows)])


def words(found: Comparison) -> str:
    """The verdict in a sentence or two."""
    pairs = found.pairs  # first: it knows whether there is such a metric
    before, after = found.base.metrics.get(found.metric, np.nan), found.head.metrics[found.metric]
    figures_ = f"`{found.metric}` {before:.2f} -> {after:.2f} dB"
    if found.verdict == "not comparable":
        return f"**Not comparable**: {'; '.join(found.obstacles)}. ({figures_})"
    if found.verdict == "same":
        return f"**No change**: every test track has the same {found.metric} as before ({after:.2f} dB)."
    low, high = found.interval
    rose, count = int((pairs["difference"] > 0).sum()), len(pairs)
    evidence = (
        f"{figures_}; track by track {pairs['difference'].mean():+.2f} dB on average (95 % from {low:+.2f} to {high:+.2f}), "
        f"{rose} of {count} tracks rose (sign test p = {found.sign_test:.2g})"
    )
    if found.verdict == "noise":
        few = f" {count} tracks are too few to tell." if 2 * 0.5**count >= SURE else ""
        return f"**Within noise**: {evidence}.{few}"
    return f"**Really {found.verdict}**: {evidence}."


def bars(differences: Sequence[float] | pd.Series, width: int = 10) -> list[str]:
    """Bars of characters, as long as the differences are large."""
    largest = max((abs(x) for x in differences), default=0) or 1
    return [("\u25b2" if x > 0 else "\u25bc") * max(1, round(width * abs(x) / largest)) if x else "=" for x in differences]


def _difference(base: float | None, head: float | None) -> str:
    return "-" if base is None or head is None else f"{head - base:+.2f}"


def _code(value: object) -> str:
    return "-" if value is None else f"`{value}`"
