"""reports/report.md: what was separated, with which params, how well, and pictures; readable on its own."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from unsung.config.params import Params
from unsung.files import atomically, portable
from unsung.reporting import figures, markdown
from unsung.reporting.scenes import Scene
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS

TEMPLATE = Path(__file__).with_name("report.md.jinja")
ORDER = {"mixture": 0, "unsung": 1, "ideal ratio mask": 2}  # from the floor to the ceiling
FRAMEWISE = ["sdr", "sdr_low", "sdr_high", "isr", "sir", "sar", *aggregate.COUNTS]
WHOLE = ["usdr", "si_sdr", "stft_distance", "nsdr", "gnsdr", "gsir", "gsar"]


def write_report(
    path: Path,
    scores: pd.DataFrame,
    curve: pd.DataFrame,
    steps: pd.DataFrame,
    crossings: pd.DataFrame,
    scenes: Iterable[Scene],
    params: Params,
) -> None:
    """Write the report and, in `figures` beside it, a figure for each scene.

    `scores` is aggregate.by_track, `curve` what training wrote, `steps` the SDR on valid tracks by network calls, `crossings` the rows
    of benchmarks/crossings.csv, for comparison.
    """
    systems = _ordered(aggregate.by_system(scores))
    mine = scores[scores["system"] == SYSTEMS[0]].drop(columns="system")
    metrics = aggregate.metrics(scores, SYSTEMS[0])
    text = markdown.rendered(
        TEMPLATE,
        params=params,
        metrics=metrics,
        dropped=aggregate.dropped(metrics["counts"]),
        systems=markdown.table(aggregate.shown(systems[["source", "system", *FRAMEWISE]])),
        whole=markdown.table(systems[["source", "system", *WHOLE]].rename(columns=lambda name: name.replace("_", " "))),
        tracks=markdown.table(aggregate.shown(mine)),
        ill_posed=sorted(mine.loc[mine["ill_posed"], "track"].unique()),
        steps=markdown.table(steps.rename(columns=lambda name: name.replace("_", " "))),
        crossings={name: markdown.table(_short(rows)) for name, rows in crossings.groupby("table", sort=False)},
        pictures={scene.moment.track: draw(scene, path.parent / "figures", params) for scene in scenes},
        best=curve.loc[curve["valid_sdr"].idxmax()],
        last=curve.iloc[-1],
        first_target=params.model.targets[0],
    )
    with atomically(path) as partial:
        partial.write_text(text)


def draw(scene: Scene, folder: Path, params: Params) -> str:
    """Draw a scene: the mixture, truth beside estimate for each source, what is wrong, where it is unsure; the figure's name."""
    n_fft, rate = params.spectrum.n_fft, params.audio.sample_rate
    mixture, *pairs, wrong = scene.sounds
    images = {title: figures.spectrogram(scene.sounds[title], n_fft) for title in (mixture, wrong, *pairs)}
    loudest = max(image.max() for image in images.values())
    for name, spread in ((name, figures.decibels(image)) for name, image in scene.spread.items()):
        gain = loudest - spread.max()  # or it would be black
        images[f"{name}, spread of samples (+{gain:.0f} dB)"] = spread + gain
    name = f"{portable(scene.moment.track)}.jpg"
    figures.spectrograms(folder / name, images, rate / 2000, scene.moment.start, scene.moment.end)
    return f"figures/{name}"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The systems from the floor to the ceiling, for each source."""
    return table.sort_values(["source", "system"], key=lambda column: column.map(ORDER) if column.name == "system" else column)


def _short(crossings: pd.DataFrame) -> pd.DataFrame:
    """The columns that have a value, under names with spaces."""
    return crossings.drop(columns="table").dropna(axis="columns", how="all").rename(columns=lambda name: name.replace("_", " "))
