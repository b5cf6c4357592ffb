"""What can happen to a stem of a remixed segment. Each works on its spectrum (channel, freq, frame) and keeps its length."""

import numpy as np
from jaxtyping import Complex

from unsung.params import Remix

Spectrum = Complex[np.ndarray, "channel freq frame"]


def gain(stem: Spectrum, decibels: float) -> Spectrum:
    """Louder or softer."""
    return stem * np.float32(10 ** (decibels / 20))


def swap(stem: Spectrum) -> Spectrum:
    """Left for right."""
    return stem[::-1]


def polarity(stem: Spectrum) -> Spectrum:
    """Upside down: it sounds the same and adds up differently."""
    return -stem


def vary(stem: Spectrum, remix: Remix, rng: np.random.Generator) -> Spectrum:
    """Draw what happens to one stem; always the same number of draws, so that one knob does not change the others' luck."""
    decibels, swapped, turned = rng.uniform(*remix.gain), rng.random() < remix.swap, rng.random() < remix.polarity
    stem = gain(stem, decibels)
    if swapped:
        stem = swap(stem)
    return polarity(stem) if turned else stem
