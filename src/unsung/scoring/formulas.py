"""Scores that are formulas: SDR of frames and of whole tracks, SI-SDR, STFT distance.

Signals have shape (frame, channel). docs/metrics.md says what each score is good for.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float

from unsung.audio import Samples

DELTA = 1e-7  # keeps the SDX challenge's SDR finite
RESOLUTIONS = (2048, 1024, 512)  # n_fft of each STFT; the hop is a quarter of it
MIN_MAGNITUDE = 1e-4  # smaller magnitudes are raised to this
FRAMES = 128  # STFT frames computed at once, so that they fit the processor's cache


def windows(length: int, window: int) -> list[slice]:
    """The windows that are scored: all whole ones, or the whole track if it is shorter than one."""
    count = max(1, length // window)
    return [slice(i * window, min((i + 1) * window, length)) for i in range(count)]


def silent(samples: Samples, window: int) -> Bool[np.ndarray, " _window"]:
    """Which windows are silent: as in museval, those where the channels add up to zero."""
    sums = np.einsum("fc->f", samples)
    return np.array([not sums[piece].any() for piece in windows(len(sums), window)])


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


def global_sdr(reference: Samples, estimate: Samples) -> float:
    """SDR in dB of a whole track; its mean over tracks is the uSDR of the Sound Demixing Challenge.

    Mitsufuji et al. 2022 (arXiv 2108.13559), eq. 1, with their 1e-7 in both sums.
    """
    signal, error = _energy(reference), _energy(estimate - reference)
    return float(10 * np.log10((signal + DELTA) / (error + DELTA)))


def si_sdr(reference: Samples, estimate: Samples) -> float:
    """Scale-invariant SDR in dB: the reference is scaled to fit best, all channels by one factor.

    Le Roux et al. 2019 (arXiv 1811.02508), eq. 4. A silent reference gives NaN.
    """
    energy, double = _energy(reference), reference.astype(np.float64)
    if not energy:
        return float("nan")
    scaled = double * (np.vdot(double, estimate.astype(np.float64)) / energy)
    signal, error = _energy(scaled), _energy(estimate - scaled)
    return decibels(signal, error) if signal else float("-inf")  # an orthogonal estimate


def stft_distance(reference: Samples, estimate: Samples) -> float:
    """Multi-resolution STFT distance: spectral convergence plus L1 of log magnitudes; 0 if equal.

    Yamamoto, Song and Kim 2020 (arXiv 1910.11480), eqs. 3 to 6, as in auraloss. The mean over
    RESOLUTIONS and over the channels in which the reference is not silent; NaN if there are none.
    """
    return float(np.mean([_resolution(reference, estimate, n_fft) for n_fft in RESOLUTIONS]))


def _resolution(reference: Samples, estimate: Samples, n_fft: int) -> float:
    totals = torch.zeros(3, reference.shape[1], dtype=torch.float64)
    count = 0
    for r, e in zip(_magnitudes(reference, n_fft), _magnitudes(estimate, n_fft), strict=True):
        parts = ((e - r).square_(), r.square(), (e / r).log_().abs_())
        totals += torch.stack([part.sum(dim=2).sum(dim=1, dtype=torch.float64) for part in parts])
        count += r[0].numel()
    error, signal, logarithms = totals
    distances = (error / signal).sqrt() + logarithms / count
    return float(distances[torch.from_numpy(reference.any(axis=0))].mean())


def _magnitudes(samples: Samples, n_fft: int) -> Iterator[torch.Tensor]:
    """The |STFT| in blocks of frames, (channel, freq, frame); both ends are padded with zeros."""
    hop, margin = n_fft // 4, n_fft // 2
    padded = torch.from_numpy(np.pad(samples.T.astype(np.float32), ((0, 0), (margin, margin + hop))))
    count = len(samples) // hop + 1
    for first in range(0, count, FRAMES):
        frames = min(FRAMES, count - first)
        piece = padded[:, first * hop : (first + frames - 1) * hop + n_fft]
        stft = torch.stft(piece, n_fft, hop, window=torch.hann_window(n_fft), center=False, return_complex=True)
        power = torch.addcmul(stft.real.square(), stft.imag, stft.imag)  # half the time of abs()
        yield power.sqrt_().clamp_min_(MIN_MAGNITUDE)


def _energy(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).sum())
