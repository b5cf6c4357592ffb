"""A comparison as the comment on a pull request, with pictures, and as text for a terminal."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from unsung.comparing.comparison import MAX_P, NEGLIGIBLE, Comparison, picture
from unsung.files import atomically, portable
from unsung.reporting import markdown

TEMPLATE = Path(__file__).with_name("comment.md.jinja")
HEADLINES = {"better": "Better", "worse": "Worse", "noise": "Within noise", "same": "No change", "not comparable": "Not comparable"}
MAX_TRACKS = 40  # in a table or a chart: those that changed most
MAX_NAME_LETTERS = 44  # of a track in the chart


def as_markdown(comparison: Comparison, folder: Path | None = None, repository: str = "", broken: float | None = None) -> str:
    """The comment on a pull request: verdict, changes, scores by track, pictures.

    Pictures come from `folder` (see write_pictures), or from the commits of `repository`, a URL.
    `broken` is the limit of --fail-below if the change fell below it.
    """
    metrics, params = comparison.changes("metrics"), comparison.changes("params")
    values = zip(metrics["base"], metrics["head"], strict=True)
    metrics = metrics.assign(change=["-" if None in (base, head) else f"{head - base:+.2f}" for base, head in values])
    codes = pd.DataFrame({name: [_code(value) for value in params[name]] for name in params}, dtype=object)
    judged = metrics["name"].str.startswith(comparison.metric.split(".")[0] + ".")
    pairs = most_changed(comparison.pairs)
    tracks = comparison.pictured() if folder or repository else []
    return markdown.rendered(
        TEMPLATE,
        comparison=comparison,
        headline=HEADLINES[comparison.verdict],
        words=sentence(comparison),
        metrics=metrics[judged],
        others=metrics[~judged],
        params=codes,
        tracks=pairs.assign(change=bars(pairs["difference"])),
        worse=comparison.worse.head(MAX_TRACKS),
        chart=f"{folder}/differences.png" if folder and not repository else "",
        pictures=[(track, _links(comparison, track, folder, repository)) for track in tracks],
        broken=broken,
    )


def plain(comparison: Comparison) -> str:
    """The verdict and what changed, for a terminal."""
    metrics, params = comparison.changes("metrics"), comparison.changes("params")
    lines = [sentence(comparison).replace("**", "").replace("`", ""), *comparison.remarks]
    lines += [f"data changed: {', '.join(comparison.data)}"] if comparison.data else []
    lines += [f"  {name}: {base} -> {head}" for name, base, head in params.itertuples(index=False)]
    rows = [(name, base, head) for name, base, head in metrics.itertuples(index=False) if None not in (base, head)]
    return "\n".join([*lines, *(f"  {name:<28} {base:>9.4g} -> {head:<9.4g} {head - base:+.4g}" for name, base, head in rows)])


def sentence(comparison: Comparison) -> str:
    """The verdict and the evidence for it."""
    metric, unit, after = comparison.metric, comparison.unit, comparison.head.metrics[comparison.metric]
    before = f"{comparison.base.metrics[metric]:.2f}" if metric in comparison.base.metrics else "-"
    change = f"`{metric}` {before} -> {after:.2f}{unit}"
    if comparison.verdict == "not comparable":
        return f"**Not comparable**: {'; '.join(comparison.obstacles)}. ({change})"
    if comparison.verdict == "same":
        return f"**No change**: every test track has the same {metric} as before ({after:.2f}{unit})."
    (low, high), differences = comparison.interval, comparison.pairs["difference"]
    got_better, count = int((differences * comparison.sign > 0).sum()), len(differences)
    evidence = (
        f"{change}; track by track {differences.mean():+.2f}{unit} on average (95 % from {low:+.2f} to {high:+.2f}), "
        f"{got_better} of {count} tracks got better (sign test p = {comparison.sign_test:.2g})"
    )
    if comparison.verdict == "noise":
        small = f" Less than {NEGLIGIBLE} does not matter." if abs(differences.mean()) < NEGLIGIBLE else ""
        few = f" {count} tracks are too few to tell." if 2 * 0.5**count >= MAX_P else ""
        return f"**Within noise**: {evidence}.{small}{few}"
    return f"**Really {comparison.verdict}**: {evidence}."


def most_changed(pairs: pd.DataFrame) -> pd.DataFrame:
    """The MAX_TRACKS pairs that changed most, in the order of `pairs`."""
    return pairs.loc[sorted(pairs["difference"].abs().nlargest(MAX_TRACKS).index)]


def bars(differences: Sequence[float] | pd.Series, width: int = 10) -> list[str]:
    """Bars of triangles; the largest difference has `width`."""
    largest = max((abs(x) for x in differences), default=0) or 1
    return [("\u25b2" if x > 0 else "\u25bc") * max(1, round(width * abs(x) / largest)) if x else "=" for x in differences]


def write_pictures(comparison: Comparison, folder: Path) -> None:
    """Write differences.png and some tracks' pictures in both revisions, unless not comparable."""
    if comparison.obstacles:
        return
    draw(folder / "differences.png", most_changed(comparison.pairs), comparison)
    for track in comparison.pictured():
        for side, revision in (("base", comparison.base), ("head", comparison.head)):
            with atomically(folder / f"{portable(track)}-{side}.jpg") as partial:
                partial.write_bytes(revision.read(picture(track)) or b"")


def draw(path: Path, pairs: pd.DataFrame, comparison: Comparison) -> None:
    """Write a PNG with a bar for each pair, the mean of all pairs, and its 95 % interval."""
    from matplotlib.figure import Figure  # here: only pictures need it

    figure = Figure(figsize=(8, 0.9 + 0.28 * max(3, len(pairs))), layout="constrained")
    axis = figure.subplots()
    colours = ["#2a7f62" if value * comparison.sign > 0 else "#b5394b" for value in pairs["difference"]]
    axis.barh(range(len(pairs)), pairs["difference"], height=0.6, color=colours, zorder=2)
    axis.axvline(0, color="black", lw=0.8, zorder=3)
    axis.axvline(comparison.pairs["difference"].mean(), color="#7a2a8f", lw=1.5, zorder=3, label="mean")
    if np.isfinite(comparison.interval).all():
        axis.axvspan(*comparison.interval, color="#e3d3ea", lw=0, zorder=1, label="its 95 % interval")
    figure.legend(loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    names = [name if len(name) <= MAX_NAME_LETTERS else f"{name[: MAX_NAME_LETTERS - 1]}\u2026" for name in pairs["track"]]
    axis.set_yticks(range(len(pairs)), names, fontsize=8, parse_math=False)
    axis.invert_yaxis()
    unit = f" ({comparison.unit.strip()})" if comparison.unit else ""
    axis.set_xlabel(f"{comparison.metric}, after minus before{unit}", fontsize=9)
    with atomically(path) as partial:
        figure.savefig(partial, dpi=110, format="png", metadata={"Software": None})


def _links(comparison: Comparison, track: str, folder: Path | None, repository: str) -> dict[str, str]:
    links = {}
    for side, sha in (("base", comparison.base.sha), ("head", comparison.head.sha)):
        in_commit = f"{repository.rstrip('/')}/blob/{sha}/{picture(track)}?raw=true"
        links[side] = in_commit if repository and sha else f"{folder}/{portable(track)}-{side}.jpg"
    return links


def _code(value: object) -> str:
    if value is None:
        return "-"
    if not set(str(value)) & set("`|\n"):
        return Markup(f"`{value}`")
    text = html.escape(str(value), quote=False).replace("|", "&#124;").replace("\n", " ")
    return Markup(f"<code>{text}</code>")
