"""Waveform -> log-mel spectrogram, and the filterbank that others need to go back."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unsung.spectrum import Stft

FLOOR = 1e-5  # of a magnitude, so that silence has a logarithm: -100 dB
LogMel = Float[Tensor, "*batch band frame"]


@dataclass(frozen=True)
class Mel:
    """Natural logarithms of mel-weighted STFT magnitudes; a full-scale sine has about 0.

    The scale is Slaney's (Auditory Toolbox, 1998), the filters have a peak of 1, magnitudes are
    divided by the window's sum over 2.
    """

    sample_rate: int  # Hz
    n_fft: int  # samples
    hop_length: int  # samples
    bands: int

    @property
    def stft(self) -> Stft:
        """The transform below it."""
        return Stft(self.n_fft, self.hop_length)

    @property
    def frames_per_second(self) -> float:
        """Frames in a second."""
        return self.sample_rate / self.hop_length

    def forward(self, waveform: Float[Tensor, "*batch sample"]) -> LogMel:
        """(..., bands, sample // hop_length + 1)."""
        return self.of_magnitude(self.stft.forward(waveform).abs())

    def of_magnitude(self, magnitude: Float[Tensor, "*batch freq frame"]) -> LogMel:
        """The same of an STFT's magnitudes."""
        filters = self.filters.to(magnitude.device)
        return (filters @ magnitude * (4 / self.n_fft)).clamp_min(FLOOR).log()

    @property
    def filters(self) -> Float[Tensor, "band freq"]:
        """Triangles on the mel scale, each with a peak of 1."""
        return _filters(self.sample_rate, self.n_fft, self.bands)


@lru_cache(maxsize=8)
def _filters(sample_rate: int, n_fft: int, bands: int) -> Float[Tensor, "band freq"]:
    """As librosa.filters.mel with norm=None, which `unsung restyle` need not bring along."""
    edges = _hertz(np.linspace(0, _mels(sample_rate / 2), bands + 2))
    ramps = np.linspace(0, sample_rate / 2, n_fft // 2 + 1) - edges[:, None]
    widths = np.diff(edges)[:, None]
    rising, falling = ramps[:-2] / widths[:-1], -ramps[2:] / widths[1:]
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0, None).astype(np.float32))


def _mels(hertz: float) -> float:
    """Slaney's scale: linear to 1 kHz, then logarithmic."""
    return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000)) / float(np.log(6.4))


def _hertz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < 15, 200 * mels / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
