"""Waveform <-> complex spectrum, and the compressed amplitudes that networks see."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

EPSILON = 1e-8  # keeps the compression smooth at zero
MIN_RMS = 1e-4  # so that silence can be divided by it


@dataclass(frozen=True)
class Stft:
    """The STFT with a periodic Hann window, centred frames and zeros beyond both ends.

    The inverse is that of torch.istft (Griffin and Lim 1984, doi:10.1109/TASSP.1984.1164317).
    """

    n_fft: int  # samples
    hop_length: int  # samples

    @property
    def freqs(self) -> int:
        """How many frequencies a spectrum has."""
        return self.n_fft // 2 + 1

    def samples(self, frames: int) -> int:
        """How many samples `frames` frames see."""
        return (frames - 1) * self.hop_length + self.n_fft

    def forward(self, waveform: Float[Tensor, "*batch sample"], within: bool = False) -> Complex[Tensor, "*batch freq frame"]:
        """The spectrum: `freqs` frequencies, sample // hop_length + 1 frames.

        With `within` there are only those frames that reach over no end.
        """
        flat = waveform.reshape(-1, waveform.shape[-1])
        window = torch.hann_window(self.n_fft, device=waveform.device)
        spectrum = torch.stft(
            flat, self.n_fft, self.hop_length, window=window, center=not within, pad_mode="constant", return_complex=True
        )
        return spectrum.reshape(*waveform.shape[:-1], *spectrum.shape[-2:])

    def inverse(self, spectrum: Complex[Tensor, "*batch freq frame"], length: int | None = None) -> Float[Tensor, "*batch sample"]:
        """The nearest waveform of `length` samples, by default to the middle of the last frame."""
        length = (spectrum.shape[-1] - 1) * self.hop_length if length is None else length
        flat = spectrum.reshape(-1, *spectrum.shape[-2:])
        window = torch.hann_window(self.n_fft, device=spectrum.device)
        waveform = torch.istft(flat, self.n_fft, self.hop_length, window=window, length=length)
        return waveform.reshape(*spectrum.shape[:-2], length)


def compress(spectrum: Complex[Tensor, "*shape"], exponent: float) -> Complex[Tensor, "*shape"]:
    """Raise the magnitude to `exponent` and keep the phase; smooth at zero."""
    return spectrum * _gain(spectrum.real.square() + spectrum.imag.square(), exponent)


def compress_parts(parts: Float[Tensor, "*shape 2"], exponent: float) -> Float[Tensor, "*shape 2"]:
    """The same on real and imaginary parts, the last axis."""
    return parts * _gain(parts.square().sum(-1, keepdim=True), exponent)


def _gain(power: Float[Tensor, "*shape"], exponent: float) -> Float[Tensor, "*shape"]:
    return (power + EPSILON).pow((exponent - 1) / 2)


def rms(spectrum: Complex[Tensor, "batch channel freq frame"]) -> Float[Tensor, " batch"]:
    """The root mean square of each spectrum, at least MIN_RMS."""
    return rms_parts(torch.view_as_real(spectrum))


def rms_parts(parts: Float[Tensor, "batch channel freq frame 2"]) -> Float[Tensor, " batch"]:
    """The same of real and imaginary parts."""
    return parts.square().sum(-1).mean(dim=(1, 2, 3)).sqrt().clamp_min(MIN_RMS)
