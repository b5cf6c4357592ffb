"""What came out of `make restyle`: report.md with its pictures, and the page to listen to."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from unsung import audio
from unsung.audio import Samples
from unsung.files import atomically, portable
from unsung.reporting import figures, markdown
from unsung.reporting.song import write_page
from unsung.restyle.baselines import EQUALISER, INPUT, NEAREST, REGRESSION, TRUE_MELS, TRUTH
from unsung.restyle.evaluation import OURS
from unsung.restyle.pairs import Song
from unsung.restyle.schema import Params
from unsung.restyle.scores import CONTENT, SHARES
from unsung.restyle.transformer import SPREAD

TEMPLATE = Path(__file__).with_name("report.md.jinja")
YARDSTICKS = (TRUTH, TRUE_MELS)  # which know the truth
HEARD = (OURS, TRUTH, EQUALISER, REGRESSION, NEAREST)  # on the page, beside the input; some need pairs
TOLD = "Each song as it is, restyled, by a band of that style where there is one, and by baselines. Clips have the same gain."


@dataclass(frozen=True)
class Results:
    """The tables that the report is written from."""

    songs: pd.DataFrame  # a row for each song and system
    systems: pd.DataFrame  # a row for each system
    vocoders: pd.DataFrame
    curve: pd.DataFrame  # of the training


def metrics(results: Results) -> dict[str, float]:
    """metrics/restyle.json: our row, and how it stands beside the equaliser and the baselines.

    What needs the truth is left out where no song has one.
    """
    table = results.systems.set_index("system")
    mine = table.loc[OURS]
    distances = results.songs.pivot(index="song", columns="system", values="mel_l1")
    cheap = distances.drop(columns=[OURS, *YARDSTICKS], errors="ignore")
    found = {name: float(value) for name, value in mine.items() if np.isfinite(value)}
    if TRUTH in table.index:
        found["mel_l1_ratio"] = float(mine["mel_l1"] / table.loc[EQUALISER, "mel_l1"])
        found["songs_nearer_than_every_baseline"] = float((distances[OURS] < cheap.min(axis=1)).sum())
    found["songs"] = float(len(distances))
    found["best_baseline_both"] = float(table["both"].drop([OURS, *YARDSTICKS], errors="ignore").max())
    return {name: round(value, 4) for name, value in found.items()}


def write_report(path: Path, results: Results, shown: Mapping[str, Mapping[str, Samples]], params: Params) -> None:
    """Write report.md and, in `figures` beside it, a picture for each song."""
    ordered = results.systems.sort_values("both", ascending=False)
    text = markdown.rendered(
        TEMPLATE,
        params=params,
        metrics=metrics(results),
        distances=ordered[["system", "mel_l1", "lsd", "lsd_short", "stft"]],
        raw=ordered[["system", *CONTENT, "tempo", "margin", "mmd"]],
        shares=ordered[["system", *SHARES, "both", "both_low", "both_high"]],
        songs=results.songs[results.songs["system"] == OURS].drop(columns="system"),
        vocoders=results.vocoders,
        best=results.curve.loc[(results.curve["valid_distance"] / SPREAD + results.curve["valid_texture"]).idxmin()],
        last=results.curve.iloc[-1],
        pictures={song: _draw(song, sounds, path.parent / "figures", params) for song, sounds in shown.items()},
    )
    with atomically(path) as partial:
        partial.write_text(text)


def write_listening_page(path: Path, shown: Mapping[str, Mapping[str, Samples]], params: Params) -> None:
    """Write listen.html."""
    title = f"{params.data.source} as {params.data.target}"
    write_page(path, title, TOLD, shown, params.audio.sample_rate)


def versions(song: Song, folder: Path, params: Params) -> dict[str, Samples]:
    """The middle of a song in all versions that are heard; `folder` has those of the systems."""
    sounds = {f"{INPUT}: {params.data.source}": song.input}
    for name in HEARD:
        if (path := folder / name / f"{song.name}.flac").exists():
            sounds[_title(name, params)] = audio.read(path)[:, 0]
    length = min(len(song.input), round(params.report.clip_seconds * params.audio.sample_rate))
    first = (len(song.input) - length) // 2
    return {name: samples[first : first + length, None] for name, samples in sounds.items()}


def _title(name: str, params: Params) -> str:
    named = {OURS: f"{OURS}: {params.data.target}", TRUTH: f"{TRUTH}: {params.data.target}"}
    return named.get(name, name)


def _draw(song: str, sounds: Mapping[str, Samples], folder: Path, params: Params) -> str:
    """A picture of a song's versions; returns figures/<name of the file>."""
    name = f"{portable(song)}.jpg"
    some = dict(list(sounds.items())[:4])
    images = {title: figures.spectrogram(samples, params.mel.n_fft) for title, samples in some.items()}
    seconds = len(next(iter(sounds.values()))) / params.audio.sample_rate
    figures.spectrograms(folder / name, images, params.audio.sample_rate / 2000, 0.0, seconds)
    return f"figures/{name}"
