"""Scores of whole tracks that are formulas: global SDR, SI-SDR, STFT distance.

Signals have shape (frame, channel). They are read in pieces that fit the processor's cache.
docs/metrics.md says what each score is good for.
"""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from jaxtyping import Float

from unsung.audio import Samples
from unsung.scoring.formulas import decibels

DELTA = 1e-7  # keeps the SDX challenge's SDR finite
RESOLUTIONS = (2048, 1024, 512)  # n_fft of each STFT; the hop is a quarter of it
MIN_MAGNITUDE = 1e-4  # smaller magnitudes are raised to this
PIECE = 2**14  # frames at once
BLOCK = 2**15  # samples of windowed STFT frames at once, of each channel


def global_sdr(reference: Samples, estimate: Samples) -> float:
    """SDR in dB of a whole track; its mean over tracks is the uSDR of the Sound Demixing Challenge.

    Mitsufuji et al. 2022 (arXiv 2108.13559), eq. 1, with their 1e-7 in both sums.
    """
    signal = sum(_energy(r) for r in _pieces(reference))
    error = sum(_energy(e - r) for r, e in _pairs(reference, estimate))
    return float(10 * np.log10((signal + DELTA) / (error + DELTA)))


def si_sdr(reference: Samples, estimate: Samples) -> float:
    """Scale-invariant SDR in dB: the reference is scaled to fit best, all channels by one factor.

    Le Roux et al. 2019 (arXiv 1811.02508), eq. 4. A silent reference gives NaN.
    """
    energy = sum(_energy(r) for r in _pieces(reference))
    if not energy:
        return float("nan")
    scale = sum(float(np.vdot(_double(r), _double(e))) for r, e in _pairs(reference, estimate)) / energy
    error = sum(_energy(_double(e) - scale * _double(r)) for r, e in _pairs(reference, estimate))
    signal = scale**2 * energy
    return decibels(signal, error) if signal else float("-inf")  # an orthogonal estimate


def stft_distance(reference: Samples, estimate: Samples) -> float:
    """Multi-resolution STFT distance: spectral convergence plus L1 of log magnitudes; 0 if equal.

    Yamamoto, Song and Kim 2020 (arXiv 1910.11480), eqs. 3 to 6, as in auraloss. The mean over
    RESOLUTIONS and over the channels in which the reference is not silent; NaN if there are none.
    """
    sounding = reference.any(axis=0)
    if not sounding.any():
        return float("nan")
    return float(np.mean([_resolution(reference, estimate, n_fft)[sounding].mean() for n_fft in RESOLUTIONS]))


def _resolution(reference: Samples, estimate: Samples, n_fft: int) -> Float[np.ndarray, " _channel"]:
    """The distance at one resolution, for each channel."""
    totals, count = np.zeros((3, reference.shape[1])), 0
    for magnitudes in _magnitudes(reference, estimate, n_fft):
        r, e = magnitudes
        difference = e - r
        for total, squares in zip(totals, (np.vecdot(difference, difference), np.vecdot(r, r)), strict=False):
            total += squares.sum(axis=1, dtype=np.float64)
        ratio = np.divide(e, r, out=difference)
        totals[2] += np.abs(np.log(ratio, out=ratio), out=ratio).sum(axis=2).sum(axis=1, dtype=np.float64)
        count += r[0].size
    error, signal, logarithms = totals
    return np.sqrt(error / signal) + logarithms / count


def _magnitudes(reference: Samples, estimate: Samples, n_fft: int) -> Iterator[Float[np.ndarray, "2 _channel _frame _freq"]]:
    """The |STFT| of both in blocks of frames, with a Hann window and zeros beyond both ends."""
    hop, length, channels = n_fft // 4, *reference.shape
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)
    count, at_once = length // hop + 1, max(1, BLOCK // n_fft)
    samples = np.zeros((2, channels, (at_once - 1) * hop + n_fft), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, n_fft, axis=2)[:, :, ::hop]
    windowed = np.empty(frames.shape, np.float32)
    floor = np.full(n_fft // 2 + 1, MIN_MAGNITUDE, np.float32)
    for first in range(0, count, at_once):
        start = first * hop - n_fft // 2
        begin, end = max(0, start), min(length, start + samples.shape[2])
        if end - begin < samples.shape[2]:
            samples[:] = 0
        for own, signal in zip(samples, (reference, estimate), strict=True):
            own[:, begin - start : end - start] = signal[begin:end].T
        kept = min(at_once, count - first)
        spectra = scipy.fft.rfft(np.multiply(frames, window, out=windowed)[:, :, :kept])
        magnitudes = np.abs(spectra)
        yield np.maximum(magnitudes, floor, out=magnitudes)


def _pieces(samples: Samples) -> Iterator[Samples]:
    return (samples[start : start + PIECE] for start in range(0, len(samples), PIECE))


def _pairs(reference: Samples, estimate: Samples) -> Iterator[tuple[Samples, Samples]]:
    return zip(_pieces(reference), _pieces(estimate), strict=True)


def _double(samples: Samples) -> Float[np.ndarray, "_frame _channel"]:
    return samples.astype(np.float64)


def _energy(samples: Samples) -> float:
    double = _double(samples)
    return float(np.vdot(double, double))
