"""Augmentation of training segments: complex spectra (..., channel, freq, frame).

A stem of a remixed segment may get a gain, swapped channels, the other sign, another speed or pitch
or a second stem of its kind. The stems of a coherent segment are warped together. Masks hide the
same part of all stems. The mixture is made afterwards, so the stems always add up to it.
"""

import math

import numpy as np
import soxr
import torch
from jaxtyping import Complex
from torchaudio.functional import phase_vocoder

from unsung.config.schema import Augment
from unsung.spectrum import Stft

Stem = Complex[np.ndarray, "channel freq frame"]
Stems = Complex[np.ndarray, "part channel freq frame"]


def warp(
    stem: Complex[np.ndarray, "channel freq longer"], rate: float, semitones: float, frames: int, stft: Stft
) -> Complex[np.ndarray, "channel freq {frames}"]:
    """`rate` times faster and `semitones` higher: a phase vocoder, and resampling for the pitch.

    The vocoder is torchaudio's (Flanagan and Golden 1966, doi:10.1002/j.1538-7305.1966.tb01706.x).
    The stem must have `needed` frames.
    """
    higher, context = 2 ** (semitones / 12), _context(stft)
    advance = torch.linspace(0, math.pi * stft.hop_length, stem.shape[-2])[:, None]
    warped = phase_vocoder(torch.from_numpy(np.ascontiguousarray(stem)), rate / higher, advance)
    if semitones:
        faster = soxr.resample(stft.inverse(warped).numpy().T, higher, 1.0, quality="HQ")
        warped = stft.forward(torch.from_numpy(np.ascontiguousarray(faster.T)))
    return warped.numpy()[..., context : context + frames]


def needed(frames: int, rate: float, stft: Stft) -> int:
    """How many frames `warp` needs to make `frames`."""
    return math.ceil(rate * (frames + 2 * _context(stft) + 1))


def _context(stft: Stft) -> int:
    """Frames at either end whose windows reach beyond it."""
    return stft.n_fft // stft.hop_length // 2 + 1


def longest(frames: int, settings: Augment, stft: Stft) -> int:
    """How many frames a segment of `frames` may need."""
    if not (settings.stretch or settings.pitch):
        return frames
    return needed(frames, max(1.0, settings.stretch_rate[1]) if settings.stretch else 1.0, stft)


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
        stems[..., _part(stems.shape[-2], settings.mask_frequency_share, draws[1], draws[2]), :] = 0
    if draws[3] < settings.mask_time:
        stems[..., _part(stems.shape[-1], settings.mask_time_share, draws[4], draws[5])] = 0


def _part(size: int, share: float, width: float, place: float) -> slice:
    """At most `share` of `size`, somewhere; `width` and `place` are drawn from 0 to 1."""
    length = round(size * share * width)
    start = round((size - length) * place)
    return slice(start, start + length)
