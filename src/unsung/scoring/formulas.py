"""Windows, silence, decibels, and the SDR of windows: all that training needs of the scores.

Signals have shape (frame, channel). whole.py has the formulas of whole tracks, bsseval.py BSSEval.
"""

import numpy as np
from jaxtyping import Bool, Float

from unsung.audio import Samples


def windows(length: int, window: int) -> list[slice]:
    """The windows that are scored: all whole ones, or the whole track if it is shorter than one."""
    count = max(1, length // window)
    return [slice(i * window, min((i + 1) * window, length)) for i in range(count)]


def silent(samples: Samples, window: int) -> Bool[np.ndarray, " _window"]:
    """Which windows are silent: as in museval, those where the channels add up to zero."""
    return np.array([not _sounds(samples[piece]) for piece in windows(len(samples), window)])


def _sounds(samples: Samples) -> bool:
    """Looks at a few frames at a time, because the first ones mostly sound."""
    return any(np.einsum("fc->f", samples[i : i + 1000]).any() for i in range(0, len(samples), 1000))


def decibels(signal: float, error: float) -> float:
    """10 log10(signal / error) of two energies; infinite if the error is 0."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(signal / error)) if error else float("inf")


def framewise_sdr(reference: Samples, estimate: Samples, window: int) -> Float[np.ndarray, " _window"]:
    """SDR in dB of each window of `window` frames, as in BSSEval v4; NaN for a silent reference.

    10 log10(sum reference^2 / sum (estimate - reference)^2). No filter is involved.
    """
    pieces = windows(len(reference), window)
    signal = np.array([_energy(reference[piece]) for piece in pieces])
    error = np.array([_energy(estimate[piece] - reference[piece]) for piece in pieces])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(signal > 0, 10 * np.log10(signal / np.maximum(error, np.finfo(float).tiny)), np.nan)


def _energy(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).sum())
