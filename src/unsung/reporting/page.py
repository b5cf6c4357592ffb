"""reports/listen.html: hear the mixture, the references and the estimates, switching while it plays.

One file that needs no network: clips are mp3, pictures WebP, both within. Without JavaScript it still has every clip, as the
browser's own players.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.files import atomically
from unsung.reporting import figures, markdown
from unsung.reporting.clips import as_mp3
from unsung.reporting.scenes import Scene
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS
from unsung.scoring.scorer import MEASURES

PARTS = Path(__file__).with_name("listen")
PICTURE = (640, 160)  # pixels
OUTLINE = 320  # points of a waveform
GOOD = 5.0  # dB (docs/metrics.md)


def write_page(path: Path, scores: pd.DataFrame, scenes: Iterable[Scene], params: Params) -> None:
    """Write the page of these scenes; `scores` is aggregate.by_track."""
    shown = [scene_of(number, scene, params) for number, scene in enumerate(scenes)]
    mine = scores[scores["system"] == SYSTEMS[0]]
    keys = ("name", "seconds", "start", "window", "frames")
    text = _template().render(
        style=Markup((PARTS / "page.css").read_text()),
        script=Markup((PARTS / "page.js").read_text()),
        params=params,
        scenes=shown,
        middles=[scene for scene in shown if scene["moment"].worst is None],
        worst=[scene for scene in shown if scene["moment"].worst is not None],
        data=[{key: scene[key] for key in keys} for scene in shown],
        summary=_rows(aggregate.shown(aggregate.by_system(scores).sort_values(["source", "sdr"]))),
        tracks=_rows(aggregate.shown(mine.drop(columns="system"))),
        count=mine["track"].nunique(),
        measures=[measure.upper() for measure in MEASURES],
    )
    with atomically(path) as partial:
        partial.write_text(text)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, autoescape=True)
    environment.filters["clock"] = clock
    return environment.from_string((PARTS / "page.html.jinja").read_text())


def scene_of(number: int, scene: Scene, params: Params) -> dict[str, Any]:
    """What the template says of a scene: its sounds with their pictures, its scores and where they are worst."""
    n_fft, rate = params.stft.n_fft, params.audio.sample_rate
    images = {title: figures.spectrogram(samples, n_fft) for title, samples in scene.sounds.items()}
    loudest = max(float(image.max()) for image in images.values())
    volume = 1 / max(1.0, *(float(np.abs(x).max()) for x in scene.sounds.values()))  # one for all, or they could not be compared
    maps = {name: figures.decibels(image) for name, image in scene.uncertainty.items()}
    return {
        "number": number,
        "name": scene.moment.track,
        "moment": scene.moment,
        "seconds": round(len(scene.mixture) / rate, 3),
        "start": scene.moment.start,
        "window": params.evaluate.window_seconds,
        "kilohertz": rate / 2000,
        "versions": [
            {
                "title": title,
                "audio": _data("audio/mpeg", as_mp3(samples * volume, rate)),
                "picture": _data("image/webp", figures.picture(images[title], loudest, PICTURE)),
                "outline": outline(samples * volume),
            }
            for title, samples in scene.sounds.items()
        ],
        "uncertainty": {
            name: {"picture": _data("image/webp", figures.picture(image, top, PICTURE)), "below": loudest - top}
            for name, image in maps.items()
            for top in [float(image.max())]
        },
        "frames": _frames(scene.frames),
        "hard": _hard(scene.frames, next(iter(scene.estimates))),
    }


def outline(samples: Samples) -> str:
    """The path of an SVG 1000 wide, 0 in the middle and 100 at full scale: the loudest and the lowest sample of each piece."""
    pieces = np.array_split(samples.mean(axis=1), min(OUTLINE, len(samples)))
    x = np.linspace(0, 1000, len(pieces))
    top = [f"{at:.0f} {-100 * piece.max():.0f}" for at, piece in zip(x, pieces, strict=True)]
    bottom = [f"{at:.0f} {-100 * piece.min():.0f}" for at, piece in zip(x, pieces, strict=True)]
    return "M" + "L".join([*top, *reversed(bottom)]) + "Z"


def _frames(frames: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """For each source its frames: when, the scores (None without), why there are none."""
    return {
        str(source): [
            {"start": row["start"], "dropped": row["dropped"]}
            | {measure: round(row[measure], 2) if np.isfinite(row[measure]) else None for measure in MEASURES}
            for row in rows.to_dict("records")
        ]
        for source, rows in frames.groupby("source", sort=False)
    }


def _hard(frames: pd.DataFrame, source: str, most: int = 3) -> Sequence[Mapping[str, float]]:
    """The frames with a source's lowest SDR that are no good."""
    rows = frames[(frames["source"] == source) & (frames["sdr"] < GOOD)].sort_values("sdr").head(most)
    return [{"start": row["start"], "sdr": row["sdr"]} for row in rows.to_dict("records")]


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _rows(table: pd.DataFrame) -> dict[str, Any]:
    rows = [[markdown.cell(value) for value in row] for row in table.itertuples(index=False)]
    return {"columns": list(table.columns), "rows": rows}


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
