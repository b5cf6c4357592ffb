"""Augmentation of training segments: waveforms (..., channel, sample).

A stem of a remixed segment may get a gain, swapped channels, the other sign, another speed or pitch
or a second stem of its kind. The stems of a coherent segment are warped together. Masks hide the
same part of all stems. The mixture is made afterwards, so the stems always add up to it.
"""

import math

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torchaudio.functional import phase_vocoder

from unsung.config.schema import Augment
from unsung.spectrum import Stft

Stem = Float[np.ndarray, "channel sample"]
Stems = Float[np.ndarray, "part channel sample"]


def warp(
    stem: Float[np.ndarray, "channel longer"], rate: float, semitones: float, samples: int, stft: Stft
) -> Float[np.ndarray, "channel {samples}"]:
    """`rate` times faster and `semitones` higher: a phase vocoder, and resampling for the pitch.

    The vocoder is torchaudio's (Flanagan and Golden 1966, doi:10.1002/j.1538-7305.1966.tb01706.x).
    The stem must have `needed` samples.
    """
    higher = 2 ** (semitones / 12)
    advance = torch.linspace(0, math.pi * stft.hop_length, stft.freqs)[:, None]
    spectrum = phase_vocoder(stft.forward(torch.from_numpy(stem)), rate / higher, advance)
    warped = stft.inverse(spectrum).numpy()
    if semitones:
        warped = soxr.resample(warped.T, higher, 1.0, quality="HQ").T
    return warped[:, stft.n_fft : stft.n_fft + samples]


def needed(samples: int, rate: float, stft: Stft) -> int:
    """How many samples `warp` needs to make `samples`: a window more on either side, and hops."""
    return math.ceil(rate * (samples + 2 * stft.n_fft + 2 * stft.hop_length))


def longest(samples: int, settings: Augment, stft: Stft) -> int:
    """How many samples a segment of `samples` may need."""
    if not (settings.stretch or settings.pitch):
        return samples
    return needed(samples, max(1.0, settings.stretch_rate[1]) if settings.stretch else 1.0, stft)


def draw_warp(settings: Augment, rng: np.random.Generator) -> tuple[float, float]:
    """A rate and a number of semitones for `warp`; 1 and 0 change nothing."""
    stretched, rate = rng.random() < settings.stretch, rng.uniform(*settings.stretch_rate)
    shifted, semitones = rng.random() < settings.pitch, rng.uniform(*settings.pitch_semitones)
    return (rate if stretched else 1.0), (semitones if shifted else 0.0)


def vary(stem: Stem, settings: Augment, rng: np.random.Generator, extra_rng: np.random.Generator) -> Stem:
    """Vary one stem at random; the number of draws does not depend on the settings."""
    decibels = rng.uniform(*settings.gain_decibels)
    swapped, inverted = rng.random() < settings.swap, rng.random() < settings.polarity
    if extra_rng.random() < settings.gain:
        stem = stem * np.float32(10 ** (decibels / 20))
    stem = stem[::-1] if swapped else stem  # left for right
    return -stem if inverted else stem  # it sounds the same and adds up differently


def mask(stems: Stems, settings: Augment, rng: np.random.Generator) -> None:
    """Silence a band or a moment of all stems, in place (Park et al. 2019, arXiv:1904.08779)."""
    draws = rng.random(6)
    if draws[0] < settings.mask_frequency:
        spectra = np.fft.rfft(stems)
        spectra[..., _part(spectra.shape[-1], settings.mask_frequency_share, draws[1], draws[2])] = 0
        stems[:] = np.fft.irfft(spectra, stems.shape[-1])
    if draws[3] < settings.mask_time:
        stems[..., _part(stems.shape[-1], settings.mask_time_share, draws[4], draws[5])] = 0


def _part(size: int, share: float, width: float, place: float) -> slice:
    """At most `share` of `size`, somewhere; `width` and `place` are drawn from 0 to 1."""
    length = round(size * share * width)
    start = round((size - length) * place)
    return slice(start, start + length)
