"""A comparison in words, tables and pictures: the comment on a pull request, and the short form for a terminal."""

import html
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from unsung.comparing.comparison import NEGLIGIBLE, SURE, Comparison, picture
from unsung.files import atomically, portable
from unsung.reporting import markdown

matplotlib.use("agg")

TEMPLATE = Path(__file__).with_name("comment.md.jinja")
HEADLINES = {"better": "Better", "worse": "Worse", "noise": "Within noise", "same": "No change", "not comparable": "Not comparable"}
MOST = 40  # tracks in a table or a chart: those that changed most
NAME = 44  # letters of a track's name in the chart


def as_markdown(found: Comparison, folder: Path | None = None, repository: str = "", broken: float | None = None) -> str:
    """The comment: the verdict, what changed, track by track, pictures; `broken` is the limit that the change fell below, if so.

    Pictures are those in `folder` (write_pictures), or those that lie in the commits of the `repository` with this address.
    """
    metrics, params = found.changes("metrics"), found.changes("params")
    metrics = metrics.assign(change=[_difference(base, head) for base, head in zip(metrics["base"], metrics["head"], strict=True)])
    judged = metrics["name"].str.startswith(found.metric.split(".")[0] + ".")
    pairs = most_changed(found.pairs)
    return markdown.rendered(
        TEMPLATE,
        found=found,
        headline=HEADLINES[found.verdict],
        words=sentence(found),
        metrics=markdown.table(metrics[judged]) if judged.any() else "",
        others=markdown.table(metrics[~judged]) if not judged.all() else "",
        params=markdown.table(pd.DataFrame({name: _codes(params[name]) for name in params})) if len(params) else "",
        pairs=pairs,
        tracks=markdown.table(pairs.assign(change=bars(pairs["difference"]))),
        worse=markdown.table(found.worse.head(MOST)) if len(found.worse) else "",
        chart=f"{folder}/differences.png" if folder and not repository else "",
        pictures=[(track, _links(found, track, folder, repository)) for track in found.pictured() if folder or repository],
        broken=broken,
    )


def plain(found: Comparison) -> str:
    """The same for a terminal, in short."""
    metrics, params = found.changes("metrics"), found.changes("params")
    lines = [sentence(found).replace("**", "").replace("`", ""), *found.remarks]
    lines += [f"data changed: {', '.join(found.data)}"] if found.data else []
    lines += [f"  {name}: {base} -> {head}" for name, base, head in params.itertuples(index=False)]
    rows = [(name, base, head) for name, base, head in metrics.itertuples(index=False) if None not in (base, head)]
    return "\n".join([*lines, *(f"  {name:<28} {base:>9.4g} -> {head:<9.4g} {head - base:+.4g}" for name, base, head in rows)])


def sentence(found: Comparison) -> str:
    """The verdict and what speaks for it."""
    before, after, unit = found.base.metrics.get(found.metric, np.nan), found.head.metrics[found.metric], found.unit
    change = f"`{found.metric}` {'-' if np.isnan(before) else f'{before:.2f}'} -> {after:.2f}{unit}"
    if found.verdict == "not comparable":
        return f"**Not comparable**: {'; '.join(found.obstacles)}. ({change})"
    if found.verdict == "same":
        return f"**No change**: every test track has the same {found.metric} as before ({after:.2f}{unit})."
    (low, high), differences = found.interval, found.pairs["difference"]
    got_better, count = int((differences * found.sign > 0).sum()), len(differences)
    evidence = (
        f"{change}; track by track {differences.mean():+.2f}{unit} on average (95 % from {low:+.2f} to {high:+.2f}), "
        f"{got_better} of {count} tracks got better (sign test p = {found.sign_test:.2g})"
    )
    if found.verdict == "noise":
        small = f" Less than {NEGLIGIBLE} does not matter." if abs(differences.mean()) < NEGLIGIBLE else ""
        few = f" {count} tracks are too few to tell." if 2 * 0.5**count >= SURE else ""
        return f"**Within noise**: {evidence}.{small}{few}"
    return f"**Really {found.verdict}**: {evidence}."


def most_changed(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs that changed most, in their order."""
    return pairs.loc[sorted(pairs["difference"].abs().nlargest(MOST).index)]


def bars(differences: Sequence[float] | pd.Series, width: int = 10) -> list[str]:
    """Bars of characters, as long as the differences are large."""
    largest = max((abs(x) for x in differences), default=0) or 1
    return [("\u25b2" if x > 0 else "\u25bc") * max(1, round(width * abs(x) / largest)) if x else "=" for x in differences]


def write_pictures(found: Comparison, folder: Path) -> None:
    """Write differences.png, each track's difference, and the pictures of some tracks in both revisions; none if not comparable."""
    if found.obstacles:
        return
    draw(folder / "differences.png", most_changed(found.pairs), found)
    for track in found.pictured():
        for side, revision in (("base", found.base), ("head", found.head)):
            with atomically(folder / f"{portable(track)}-{side}.jpg") as partial:
                partial.write_bytes(revision.read(picture(track)) or b"")


def draw(path: Path, pairs: pd.DataFrame, found: Comparison) -> None:
    """Write a PNG with a bar for each pair, the mean of all, and its interval behind."""
    figure = Figure(figsize=(8, 0.9 + 0.28 * max(3, len(pairs))), layout="constrained")
    axis = figure.subplots()
    colours = ["#2a7f62" if value * found.sign > 0 else "#b5394b" for value in pairs["difference"]]
    axis.barh(range(len(pairs)), pairs["difference"], height=0.6, color=colours, zorder=2)
    axis.axvline(0, color="black", lw=0.8, zorder=3)
    axis.axvline(found.pairs["difference"].mean(), color="#7a2a8f", lw=1.5, zorder=3, label="mean")
    if np.isfinite(found.interval).all():
        axis.axvspan(*found.interval, color="#e3d3ea", lw=0, zorder=1, label="its 95 % interval")
    figure.legend(loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    names = [name if len(name) <= NAME else f"{name[: NAME - 1]}\u2026" for name in pairs["track"]]
    axis.set_yticks(range(len(pairs)), names, fontsize=8, parse_math=False)
    axis.invert_yaxis()
    axis.set_xlabel(f"{found.metric}, after minus before{f' ({found.unit.strip()})' if found.unit else ''}", fontsize=9)
    with atomically(path) as partial:
        figure.savefig(partial, dpi=110, format="png", metadata={"Software": None})


def _links(found: Comparison, track: str, folder: Path | None, repository: str) -> dict[str, str]:
    def link(side: str, sha: str) -> str:
        if repository and sha:
            return f"{repository.rstrip('/')}/blob/{sha}/{picture(track)}?raw=true"
        return f"{folder}/{portable(track)}-{side}.jpg"

    return {side: link(side, revision.sha) for side, revision in (("base", found.base), ("head", found.head))}


def _difference(base: float | None, head: float | None) -> str:
    return "-" if base is None or head is None else f"{head - base:+.2f}"


def _codes(values: pd.Series) -> pd.Series:
    return pd.Series([_code(value) for value in values], dtype=object)  # or pandas makes plain words of them


def _code(value: object) -> str:
    if value is None:
        return "-"
    if not set(str(value)) & set("`|\n"):
        return Markup(f"`{value}`")
    text = html.escape(str(value), quote=False).replace("|", "&#124;").replace("\n", " ")
    return Markup(f"<code>{text}</code>")
