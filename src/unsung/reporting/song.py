"""A page to listen to a song and its parts, which switch in place: one file, for any song."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup

from unsung.audio import Facts, Samples
from unsung.files import atomically
from unsung.reporting import figures, markdown
from unsung.reporting.page import PARTS, version

N_FFT = 2048  # of the pictures


def write_page(path: Path, song: str, sounds: Mapping[str, Samples], own: Facts) -> None:
    """Write the page of a song; `sounds` are mixture and parts, (frame, channel), by title."""
    images = {title: figures.spectrogram(samples, N_FFT) for title, samples in sounds.items()}
    loudest = max(float(image.max()) for image in images.values())
    volume = 1 / max(1.0, *(float(np.abs(samples).max()) for samples in sounds.values()))
    seconds = round(len(next(iter(sounds.values()))) / own.sample_rate, 3)
    versions = [version(title, samples * volume, own.sample_rate, images[title], loudest) for title, samples in sounds.items()]
    text = markdown.rendered(
        PARTS / "song.html.jinja",
        style=Markup((PARTS / "page.css").read_text("utf-8")),
        script=Markup((PARTS / "page.js").read_text("utf-8")),
        scene={"number": 0, "name": song, "seconds": seconds, "versions": versions},
        sample_rate=own.sample_rate,
        data=[{"name": song, "seconds": seconds, "start": 0, "window": 1, "frames": {}}],
    )
    with atomically(path) as partial:
        partial.write_text(text, "utf-8")
