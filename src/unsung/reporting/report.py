"""reports/report.md: what was separated, with which params, how well, and pictures; readable on its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.data.tracks import Track, mixture
from unsung.evaluation import SYSTEMS, references
from unsung.files import atomically, fingerprint
from unsung.models.separator import Separator, generators
from unsung.params import Params
from unsung.reporting import figures, tables

TEMPLATE = Path(__file__).with_name("report.md.jinja")


@dataclass(frozen=True)
class Findings:
    """What a run has come to."""

    scores: pd.DataFrame  # tables.by_track
    whole: pd.DataFrame  # of whole tracks (evaluation.score_track), without rows if they were not scored
    curve: pd.DataFrame
    tracks: list[Track]
    estimates: Path  # of each track a folder
    separator: Separator


def write_report(path: Path, found: Findings, crossings: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Write the report and, in `figures` beside it, a figure for each track; its metrics.

    `crossings` are the rows of benchmarks/crossings.csv, for comparison.
    """
    metrics = tables.metrics(found.scores, found.whole, SYSTEMS[0])
    pictures = {
        track.name: draw(track, found.estimates, found.separator, path.parent / "figures", params) for track in found.tracks
    }
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text()
    )
    curve, whole = found.curve, tables.over_length(found.whole)
    best = curve.loc[curve["valid_sdr"].idxmax()]
    text = template.render(
        params=params,
        metrics=metrics,
        systems=tables.markdown(_ordered(tables.by_system(found.scores))),
        whole=tables.markdown(_ordered(whole)) if len(whole) else "",
        tracks=tables.markdown(_model_rows(found.scores)),
        crossings={name: tables.markdown(_short(rows)) for name, rows in crossings.groupby("table", sort=False)},
        pictures=pictures,
        best=best,
        last=curve.iloc[-1],
        first_target=params.model.targets[0],
    )
    with atomically(path) as partial:
        partial.write_text(text)
    return metrics


def draw(track: Track, estimates: Path, separator: Separator, folder: Path, params: Params) -> str:
    """Draw the middle of a track: the mixture, truth beside estimate for each source, uncertainties; the figure's name."""
    length = round(params.report.figure_seconds * params.audio.sample_rate)
    song = np.concatenate(list(mixture(track)))
    first = max(0, (len(song) - length) // 2)
    cut = slice(first, first + length)
    n_fft, rate = params.spectrum.n_fft, params.audio.sample_rate
    panels = {"mixture": song[cut]}
    for source, truth in references(track, params.model.targets).items():
        estimate = audio.read(estimates / track.name / f"{source}.flac")
        if len(panels) == 1:
            panels[f"error of the {source}"] = (estimate - truth)[cut]
        panels |= {f"{source}, true": truth[cut], f"{source}, separated": estimate[cut]}
    name = "".join(letter if letter.isalnum() else "-" for letter in track.name) + f"-{fingerprint(track.name)[:4]}.jpg"
    images = {title: figures.spectrogram(samples, n_fft) for title, samples in panels.items()}
    images |= {title: figures.decibels(image) for title, image in uncertainty(separator, song[cut], params).items()}
    figures.spectrograms(folder / name, images, rate / 2000, first / rate, (first + len(song[cut])) / rate)
    return f"figures/{name}"


def uncertainty(separator: Separator, song: Samples, params: Params) -> dict[str, np.ndarray]:
    """How far the samples of each counterfactual are apart, at each frequency and frame; nothing where only one is drawn.

    The standard deviation of the spectra over the samples. They are drawn anew for this moment.
    """
    if params.sampling.get("samples", 1) == 1:
        return {}
    waveform = torch.from_numpy(song.T.copy())[None]
    with torch.inference_mode():
        found = separator.samples(
            waveform.to(separator.device), params.sampling, generators([(params.seed,)], separator.device)
        ).cpu()
    if len(found) == 1:
        return {}
    images = found[:, 0].std(0).square().mean(1).sqrt().numpy()  # of the one song; over its channels
    return {f"{target}, spread of {len(found)} samples": image for target, image in zip(params.model.targets, images, strict=True)}


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The systems from the floor to the ceiling, for each source."""
    order = {"mixture": 0, "unsung": 1, "ideal ratio mask": 2}
    table = table.sort_values(["source", "system"], key=lambda column: column.map(order) if column.name == "system" else column)
    return table[["source", *table.columns.drop(["source"])]]


def _model_rows(scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores[scores["system"] == SYSTEMS[0]].drop(columns="system")
    return rows.rename(columns={"frames": "frames scored", "silent_frames": "frames silent"})


def _short(crossings: pd.DataFrame) -> pd.DataFrame:
    """The columns that have a value, under names with spaces."""
    return crossings.drop(columns="table").dropna(axis="columns", how="all").rename(columns=lambda name: name.replace("_", " "))
