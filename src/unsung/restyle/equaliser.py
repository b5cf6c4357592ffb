"""The filter between two styles: what a mixing desk can do, and no more."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.features import Mono
from unsung.restyle.mel import Mel
from unsung.restyle.pairs import Examples, Song

MOST_GAIN = 100.0  # 40 dB
QUIET = 1e-9  # of a power, so that silence can be divided by it


@dataclass(frozen=True)
class Equaliser:
    """The input with the mean spectrum of the target style: one gain for each frequency."""

    gains: Float[Tensor, " freq"]
    mel: Mel

    def __call__(self, song: Song) -> Mono:
        """The input, filtered."""
        spectrum = self.mel.stft.forward(torch.from_numpy(song.input))
        return self.mel.stft.inverse(self.gains[:, None] * spectrum, len(song.input)).numpy()


def fit_equaliser(train: Examples, mel: Mel) -> Equaliser:
    """Gains between the mean power spectra of the inputs and of the targets."""
    before, after = (_power(some, mel) for some in (train.inputs, train.targets))
    return Equaliser((after / before).sqrt().clamp(1 / MOST_GAIN, MOST_GAIN).float(), mel)


def _power(songs: Iterable[Mono], mel: Mel) -> Float[Tensor, " freq"]:
    """The mean over songs of their mean power at each frequency."""
    spectra = (mel.stft.forward(torch.from_numpy(song)).abs().square().double().mean(dim=-1) for song in songs)
    return torch.stack(list(spectra)).mean(dim=0) + QUIET
