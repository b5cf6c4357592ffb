"""reports/report.md: what was separated, with which params, how well, and pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from unsung.config.schema import Params
from unsung.data.credits import Credit
from unsung.files import atomically, portable
from unsung.reporting import calibration, figures, markdown
from unsung.reporting.scenes import Scene
from unsung.scoring import aggregate
from unsung.scoring.evaluation import SYSTEMS
from unsung.scoring.scorer import Rows

TEMPLATE = Path(__file__).with_name("report.md.jinja")
ORDER = {"mixture": 0, "unsung": 1, "oracle ideal ratio mask": 2}  # from the floor to the ceiling
FRAMEWISE = ["sdr", "isr", "sir", "sar"]
WHOLE = ["sdr_p10", "sdr_worst", "usdr", "si_sdr", "stft_distance", "pitch_accuracy", "nsdr", "gnsdr", "gsir", "gsar"]


@dataclass(frozen=True)
class Results:
    """The tables that the report is written from."""

    scores: Rows  # aggregate.by_track
    curve: pd.DataFrame  # what training logged at each validation
    calls: pd.DataFrame  # the SDR of valid tracks by network calls
    crossings: pd.DataFrame  # benchmarks/crossings.csv, for comparison
    calibration: pd.DataFrame  # of the uncertainty maps; empty if there are none
    credits: Sequence[Credit]  # of the recordings


def write_report(path: Path, results: Results, scenes: Iterable[Scene], params: Params) -> None:
    """Write the report and, in `figures` beside it, a figure for each scene."""
    scores, curve, shown = results.scores, results.curve, list(scenes)
    systems = sorted(aggregate.by_system(scores), key=lambda row: (row["source"], ORDER[row["system"]]))
    mine = [row for row in scores if row["system"] == SYSTEMS[0]]
    metrics = aggregate.metrics(scores, SYSTEMS[0])
    text = markdown.rendered(
        TEMPLATE,
        params=params,
        results=results,
        credits=pd.DataFrame(map(asdict, results.credits)).replace("", None),
        metrics=metrics,
        dropped=aggregate.dropped(metrics["counts"]),
        systems=aggregate.shown(systems, ["source", "system", *FRAMEWISE]),
        whole=aggregate.columns(systems, ["source", "system", *WHOLE]),
        tracks=aggregate.shown(mine, (name for name in mine[0] if name != "system")),
        ill_posed=sorted({row["track"] for row in mine if row["ill_posed"]}),
        pictures={scene.moment.track: draw(scene, path.parent / "figures", params) for scene in shown},
        uncertain=any(scene.uncertainty for scene in shown),
        calibrated=calibration.overall(results.calibration),
        best=curve.loc[curve["valid_sdr"].idxmax()],
        last=curve.iloc[-1],
    )
    with atomically(path) as partial:
        partial.write_text(text)


def draw(scene: Scene, folder: Path, params: Params) -> str:
    """Draw all sounds of a scene and its uncertainty maps; returns figures/<name of the file>."""
    n_fft, rate = params.stft.n_fft, params.audio.sample_rate
    mixture, *pairs, error = scene.sounds
    images = {title: figures.spectrogram(scene.sounds[title], n_fft) for title in (mixture, error, *pairs)}
    loudest = max(image.max() for image in images.values())
    for target, magnitudes in scene.uncertainty.items():
        image = figures.decibels(magnitudes)
        gain = loudest - image.max()  # without it the map would be black
        images[f"{target}, uncertainty (+{gain:.0f} dB)"] = image + gain
    name = f"{portable(scene.moment.track)}.jpg"
    figures.spectrograms(folder / name, images, rate / 2000, scene.moment.start, scene.moment.end)
    return f"figures/{name}"
