"""A page to listen to songs in several versions, which switch in place: one file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup

from unsung.audio import Samples
from unsung.files import atomically
from unsung.reporting import figures, markdown
from unsung.reporting.page import PARTS, version

N_FFT = 2048  # of the pictures


def write_page(path: Path, title: str, told: str, songs: Mapping[str, Mapping[str, Samples]], sample_rate: int) -> None:
    """Write the page; `songs` are versions (frame, channel) by their names, all of one length."""
    scenes = [_scene(number, song, sounds, sample_rate) for number, (song, sounds) in enumerate(songs.items())]
    text = markdown.rendered(
        PARTS / "song.html.jinja",
        style=Markup((PARTS / "page.css").read_text("utf-8")),
        script=Markup((PARTS / "page.js").read_text("utf-8")),
        title=title,
        told=told,
        scenes=scenes,
        sample_rate=sample_rate,
        data=[{"name": scene["name"], "seconds": scene["seconds"], "start": 0, "window": 1, "frames": {}} for scene in scenes],
    )
    with atomically(path) as partial:
        partial.write_text(text, "utf-8")


def _scene(number: int, song: str, sounds: Mapping[str, Samples], sample_rate: int) -> dict[str, object]:
    images = {title: figures.spectrogram(samples, N_FFT) for title, samples in sounds.items()}
    loudest = max(float(image.max()) for image in images.values())
    volume = 1 / max(1.0, *(float(np.abs(samples).max()) for samples in sounds.values()))
    versions = [version(title, samples * volume, sample_rate, images[title], loudest) for title, samples in sounds.items()]
    seconds = round(len(next(iter(sounds.values()))) / sample_rate, 3)
    return {"number": number, "name": song, "seconds": seconds, "versions": versions}
