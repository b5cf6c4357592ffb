"""Small sounds and small vocoders for the tests."""

import torch

from unsung.restyle.mel import Mel
from unsung.restyle.vocoder.network import Settings, begin

MEL = Mel(sample_rate=8000, n_fft=256, hop_length=64, bands=40)
SETTINGS = Settings(channels=16, blocks=2, kernel=5, turns=3)


def notes(seconds: float = 2.0, seed: int = 0, mel: Mel = MEL):
    """Harmonic tones that change four times a second, (sample,)."""
    rng = torch.Generator().manual_seed(seed)
    length = round(0.25 * mel.sample_rate)
    time = torch.arange(length) / mel.sample_rate
    tones = []
    for _ in range(round(4 * seconds)):
        hertz = 150 * 2 ** (2 * torch.rand((), generator=rng))
        tone = sum(torch.sin(2 * torch.pi * hertz * k * time) / k for k in range(1, 6))
        tones.append(0.2 * tone * torch.exp(-6 * time))
    return torch.cat(tones)


def pairs(count: int = 3, seconds: float = 2.0, seed: int = 0):
    """Songs and their log-mels."""
    songs = [notes(seconds, seed + number) for number in range(count)]
    return [(MEL.forward(song), song) for song in songs]


def vocoder(seed: int = 0, **values):
    """One with fresh weights."""
    return begin(MEL, SETTINGS.model_copy(update=values), seed).eval()
