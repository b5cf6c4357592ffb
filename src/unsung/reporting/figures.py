"""Pictures of sound: a figure of several spectrograms, and one spectrogram without axes."""

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from unsung.audio import Samples
from unsung.files import atomically
from unsung.spectrum import Stft

FLOOR = -80.0  # dB below the loudest point of the figure
MAGMA = Path(__file__).parent / "listen" / "magma.txt"  # matplotlib's colours, which a page needs without matplotlib
Decibels = Float[np.ndarray, "_freq _frame"]


def spectrograms(path: Path, panels: Mapping[str, Decibels], kilohertz: float, start: float, end: float) -> None:
    """Write a JPEG of `panels`, two in a row, on one colour scale; `start`, `end` in seconds."""
    from matplotlib.figure import Figure  # here: only reports need it

    loudest = max(power.max() for power in panels.values())
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(10, 2.1 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for axis, (title, power) in zip(axes.flat, panels.items(), strict=False):
        image = axis.imshow(
            power - loudest, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR, vmax=0,
            extent=(start, end, 0, kilohertz), interpolation="nearest",
        )  # fmt: skip
        axis.set_title(title, fontsize=10, loc="left")
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("kHz")
    for axis in axes[-1]:
        axis.set_xlabel("s")
    figure.colorbar(image, ax=axes, label="dB", pad=0.01, fraction=0.03)
    with atomically(path) as partial:
        figure.savefig(partial, dpi=90, format="jpeg", pil_kwargs={"quality": 80, "optimize": True})


def picture(power: Decibels, loudest: float, size: tuple[int, int]) -> bytes:
    """A spectrogram without axes as WebP, of `size` (width, height) in pixels."""
    brightness = np.clip((power - loudest) / -FLOOR + 1, 0, 1)[::-1]
    colours = _magma()[np.minimum((brightness * 256).astype(int), 255)]
    file = io.BytesIO()
    Image.fromarray(colours).resize(size, Image.Resampling.BOX).save(file, "WEBP", quality=60, method=6)
    return file.getvalue()


def spectrogram(samples: Samples, n_fft: int) -> Decibels:
    """The mean of the channels in dB, of shape (freq, frame)."""
    return decibels(Stft(n_fft, n_fft // 4).forward(torch.from_numpy(samples.mean(axis=1))).abs().numpy())


def decibels(magnitudes: np.ndarray) -> Decibels:
    """Magnitudes in dB, on the same scale as `spectrogram` if n_fft is the same."""
    return 20 * np.log10(magnitudes + 1e-6)


@cache
def _magma() -> np.ndarray:
    """The colours from dark to bright, (256, 3) of 0 to 255; matplotlib gives the same."""
    return np.array([list(bytes.fromhex(line.removeprefix("#"))) for line in MAGMA.read_text().split()], np.uint8)
