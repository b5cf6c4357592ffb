"""Pictures of a separation: the spectrograms of the song, of the truth and of what was found."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib.figure import Figure

from unsung.audio import Samples
from unsung.files import atomically

FLOOR = -80.0  # dB below the loudest point of the figure


def spectrograms(path: Path, panels: Mapping[str, Samples], sample_rate: int, start: float, n_fft: int = 1024) -> None:
    """Write a JPEG with a spectrogram for each of `panels`, two in a row, on one scale of loudness; `start` in seconds."""
    powers = {title: _decibels(samples.mean(axis=1), n_fft) for title, samples in panels.items()}
    loudest = max(power.max() for power in powers.values())
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(10, 2.1 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for axis, (title, power) in zip(axes.flat, powers.items(), strict=False):
        seconds = start + np.array([0, len(next(iter(panels.values()))) / sample_rate])
        image = axis.imshow(
            power - loudest, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR, vmax=0,
            extent=(seconds[0], seconds[1], 0, sample_rate / 2000), interpolation="nearest",
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


def _decibels(samples: np.ndarray, n_fft: int) -> np.ndarray:
    """Power in dB, (freq, frame)."""
    hop = n_fft // 4
    padded = np.pad(samples, (n_fft // 2, n_fft // 2 + n_fft))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(samples) // hop + 1]
    return 20 * np.log10(np.abs(np.fft.rfft(pieces * np.hanning(n_fft), axis=1)).T + 1e-6)
