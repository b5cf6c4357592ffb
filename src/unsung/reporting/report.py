"""reports/report.md: what was separated, with which params, how well, and pictures; readable on its own."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from unsung import audio
from unsung.data.tracks import Track, mixture
from unsung.evaluation import SYSTEMS, references
from unsung.files import atomically, fingerprint
from unsung.params import Params
from unsung.reporting import figures, tables

TEMPLATE = Path(__file__).with_name("report.md.jinja")


def write_report(
    path: Path, scores: pd.DataFrame, curve: pd.DataFrame, tracks: list[Track], estimates: Path, params: Params
) -> dict[str, Any]:
    """Write the report of `scores` (tables.by_track) and, in `figures` beside it, a figure for each track; its metrics."""
    metrics = tables.metrics(scores, SYSTEMS[0])
    pictures = {track.name: draw(track, estimates, path.parent / "figures", params) for track in tracks}
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text()
    )
    best = curve.loc[curve["valid_sdr"].idxmax()]
    text = template.render(
        params=params,
        metrics=metrics,
        systems=tables.markdown(_ordered(tables.by_system(scores))),
        tracks=tables.markdown(_model_rows(scores)),
        pictures=pictures,
        best=best,
        last=curve.iloc[-1],
        first_target=params.model.targets[0],
    )
    with atomically(path) as partial:
        partial.write_text(text)
    return metrics


def draw(track: Track, estimates: Path, folder: Path, params: Params) -> str:
    """Draw the middle of a track: the mixture, and truth beside estimate for each source; the figure's name."""
    length = round(params.report.figure_seconds * params.audio.sample_rate)
    song = np.concatenate(list(mixture(track)))
    first = max(0, (len(song) - length) // 2)
    cut = slice(first, first + length)
    panels = {"mixture": song[cut]}
    for source, truth in references(track, params.model.targets).items():
        estimate = audio.read(estimates / track.name / f"{source}.flac")
        if len(panels) == 1:
            panels[f"error of the {source}"] = (estimate - truth)[cut]
        panels |= {f"{source}, true": truth[cut], f"{source}, separated": estimate[cut]}
    name = "".join(letter if letter.isalnum() else "-" for letter in track.name) + f"-{fingerprint(track.name)[:4]}.jpg"
    figures.spectrograms(folder / name, panels, params.audio.sample_rate, first / params.audio.sample_rate)
    return f"figures/{name}"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The systems from the floor to the ceiling, for each source."""
    order = {"mixture": 0, "unsung": 1, "ideal ratio mask": 2}
    table = table.sort_values(["source", "system"], key=lambda column: column.map(order) if column.name == "system" else column)
    return table[["source", "system", "sdr", "isr", "sir", "sar"]]


def _model_rows(scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores[scores["system"] == SYSTEMS[0]].drop(columns="system")
    return rows.rename(columns={"frames": "frames scored", "silent_frames": "frames silent"})
