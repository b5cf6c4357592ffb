"""How near an estimate is to its reference, by formulas of a line; docs/metrics.md has them beside what they are good for.

Signals are (frame, channel). What needs least squares is in bsseval.py.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float

from unsung.audio import Samples

DELTA = 1e-7  # keeps the SDX challenge's SDR finite
RESOLUTIONS = (2048, 1024, 512)  # samples of an STFT's window, which moves on by a quarter
QUIET = 1e-4  # magnitudes below it count as this
FRAMES = 128  # of an STFT at once: what fits a processor's cache
Frames = Float[np.ndarray, " _frame"]


def windows(length: int, window: int) -> list[slice]:
    """The windows that are scored: the whole ones, or all of a track that is shorter than one."""
    count = max(1, length // window)
    return [slice(i * window, min((i + 1) * window, length)) for i in range(count)]


def silent(samples: Samples, window: int) -> Bool[np.ndarray, " _window"]:
    """The windows in which a signal is silent: as museval has it, its channels add up to nothing."""
    sums = np.einsum("fc->f", samples)
    return np.array([not sums[piece].any() for piece in windows(len(sums), window)])


def decibels(signal: float, error: float) -> float:
    """10 log10 of their ratio, infinite without an error."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(signal / error)) if error else float("inf")


def framewise_sdr(reference: Samples, estimate: Samples, window: int) -> Frames:
    """SDR in dB of each window of `window` frames; NaN where the reference is silent. Equal to BSSEval v4's SDR.

    10 log10(sum reference^2 / sum (estimate - reference)^2): as images are compared, no filter enters.
    """
    pieces = windows(len(reference), window)
    signal = np.array([np.square(reference[piece], dtype=np.float64).sum() for piece in pieces])
    error = np.array([np.square(estimate[piece] - reference[piece], dtype=np.float64).sum() for piece in pieces])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(signal > 0, 10 * np.log10(signal / np.maximum(error, np.finfo(float).tiny)), np.nan)


def global_sdr(reference: Samples, estimate: Samples) -> float:
    """SDR in dB of a whole track; its mean over tracks is the uSDR of the Sound Demixing Challenge.

    Mitsufuji et al. 2022 (arXiv 2108.13559), eq. 1, with their 1e-7 in both sums.
    """
    signal, error = _energy(reference), _energy(estimate - reference)
    return float(10 * np.log10((signal + DELTA) / (error + DELTA)))


def si_sdr(reference: Samples, estimate: Samples) -> float:
    """SDR in dB that no volume changes: against the reference times what makes the error least, one factor for all channels.

    Le Roux et al. 2019 (arXiv 1811.02508), eq. 4. NaN if the reference is silent, -inf if the estimate has nothing of it.
    """
    energy = _energy(reference)
    if not energy:
        return float("nan")
    scaled = reference.astype(np.float64) * (np.vdot(reference.astype(np.float64), estimate.astype(np.float64)) / energy)
    signal, error = _energy(scaled), _energy(estimate - scaled)
    return decibels(signal, error) if signal else float("-inf")


def stft_distance(reference: Samples, estimate: Samples) -> float:
    """Multi-resolution STFT distance, 0 for equal signals: spectral convergence and the L1 of log magnitudes, channel by channel.

    Yamamoto, Song and Kim 2020 (arXiv 1910.11480), eqs. 3 to 6, as auraloss has it, at RESOLUTIONS. Channels in which the reference
    is silent are left out; NaN if all are.
    """
    return float(np.mean([_resolution(reference, estimate, n_fft) for n_fft in RESOLUTIONS]))


def _resolution(reference: Samples, estimate: Samples, n_fft: int) -> float:
    totals = torch.zeros(3, reference.shape[1], dtype=torch.float64)
    count = 0
    for truth, found in zip(_magnitudes(reference, n_fft), _magnitudes(estimate, n_fft), strict=True):
        parts = ((found - truth).square_(), truth.square(), (found / truth).log_().abs_())
        totals += torch.stack([part.sum(dim=2).sum(dim=1, dtype=torch.float64) for part in parts])
        count += truth[0].numel()
    error, signal, logarithms = totals
    sounds = torch.from_numpy(reference.any(axis=0))
    each = (error / signal).sqrt() + logarithms / count
    return float(each[sounds].mean())


def _magnitudes(samples: Samples, n_fft: int) -> Iterator[torch.Tensor]:
    """|STFT| of some frames after others, (channel, freq, frame), with zeros beyond both ends."""
    hop, around = n_fft // 4, n_fft // 2
    padded = torch.from_numpy(np.pad(samples.T.astype(np.float32), ((0, 0), (around, around + hop))))
    count = len(samples) // hop + 1
    for first in range(0, count, FRAMES):
        frames = min(FRAMES, count - first)
        piece = padded[:, first * hop : (first + frames - 1) * hop + n_fft]
        found = torch.stft(piece, n_fft, hop, window=torch.hann_window(n_fft), center=False, return_complex=True)
        power = torch.addcmul(found.real.square(), found.imag, found.imag)  # half the time of abs()
        yield power.sqrt_().clamp_min_(QUIET)


def _energy(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).sum())
