"""reports/listen.html: hear mixture, references and estimates, and switch between them in place.

The page is one file with all clips and pictures. Without JavaScript, each clip has its own player.
"""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.files import atomically
from unsung.reporting import figures, markdown
from unsung.reporting.clips import as_mp3
from unsung.reporting.scenes import Scene, lowest_first
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS
from unsung.scoring.scorer import MEASURES, Rows

PARTS = Path(__file__).with_name("listen")
PICTURE = (640, 160)  # pixels
OUTLINE = 320  # points of a waveform
GOOD = 5.0  # dB (docs/metrics.md)
HARD_FRAMES = 3  # linked in each scene


def write_page(path: Path, scores: Rows, scenes: Iterable[Scene], params: Params) -> None:
    """Write the page of these scenes; `scores` is aggregate.by_track."""
    shown = [scene_of(number, scene, params) for number, scene in enumerate(scenes)]
    mine = [row for row in scores if row["system"] == SYSTEMS[0]]
    systems = sorted(aggregate.by_system(scores), key=lambda row: (row["source"], *lowest_first(row["sdr"])))
    text = markdown.rendered(
        PARTS / "page.html.jinja",
        style=Markup((PARTS / "page.css").read_text("utf-8")),
        script=Markup((PARTS / "page.js").read_text("utf-8")),
        cell=markdown.cell,
        zip=zip,
        clock=clock,
        params=params,
        scenes=shown,
        data=[{key: scene[key] for key in ("name", "seconds", "start", "window", "frames")} for scene in shown],
        summary=aggregate.shown(systems),
        tracks=aggregate.shown(mine, (name for name in mine[0] if name != "system")),
        count=len({row["track"] for row in mine}),
        measures=[measure.upper() for measure in MEASURES],
    )
    with atomically(path) as partial:
        partial.write_text(text, "utf-8")


def scene_of(number: int, scene: Scene, params: Params) -> dict[str, Any]:
    """What the template needs of a scene: sounds, pictures, scores and the worst frames."""
    n_fft, rate = params.stft.n_fft, params.audio.sample_rate
    images = {title: figures.spectrogram(samples, n_fft) for title, samples in scene.sounds.items()}
    loudest = max(float(image.max()) for image in images.values())
    volume = 1 / max(1.0, *(float(np.abs(x).max()) for x in scene.sounds.values()))  # one for all, for a fair comparison
    maps = {target: figures.decibels(magnitudes) for target, magnitudes in scene.uncertainty.items()}
    sdr = scene.frames.loc[scene.frames["source"] == next(iter(scene.estimates)), ["start", "sdr"]]
    return {
        "number": number,
        "name": scene.moment.track,
        "moment": scene.moment,
        "seconds": round(len(scene.mixture) / rate, 3),
        "start": scene.moment.start,
        "window": params.evaluate.window_seconds,
        "versions": [version(title, samples * volume, rate, images[title], loudest) for title, samples in scene.sounds.items()],
        "uncertainty": {
            target: {"picture": _data("image/webp", figures.picture(image, top, PICTURE)), "below": loudest - top}
            for target, image in maps.items()
            for top in [float(image.max())]
        },
        "frames": _frames(scene.frames),
        "hard": sdr[sdr["sdr"] < GOOD].sort_values("sdr").head(HARD_FRAMES).to_dict("records"),
    }


def version(title: str, samples: Samples, sample_rate: int, image: figures.Decibels, loudest: float) -> dict[str, str]:
    """A sound: clip, spectrogram and outline; `loudest` (dB) is the scene's brightest point."""
    return {
        "title": title,
        "audio": _data("audio/mpeg", as_mp3(samples, sample_rate)),
        "picture": _data("image/webp", figures.picture(image, loudest, PICTURE)),
        "outline": outline(samples),
    }


def outline(samples: Samples) -> str:
    """A waveform as an SVG path, from x = 0 to 1000; full scale is y = -100 and 100."""
    pieces = np.array_split(samples.mean(axis=1), min(OUTLINE, len(samples)))
    x = np.linspace(0, 1000, len(pieces))
    top = [f"{at:.0f} {-100 * piece.max():.0f}" for at, piece in zip(x, pieces, strict=True)]
    bottom = [f"{at:.0f} {-100 * piece.min():.0f}" for at, piece in zip(x, pieces, strict=True)]
    return "M" + "L".join([*top, *reversed(bottom)]) + "Z"


def _frames(frames: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The frames of each source: start, scores (None if there is none), and why there is none."""
    return {
        str(source): [
            {"start": row["start"], "dropped": row["dropped"]}
            | {measure: round(row[measure], 2) if np.isfinite(row[measure]) else None for measure in MEASURES}
            for row in rows.to_dict("records")
        ]
        for source, rows in frames.groupby("source", sort=False)
    }


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
