"""Waveform <-> complex spectrum, with an exact round trip, and the compression of amplitudes that networks look at.

The transform is the short-time Fourier transform with a periodic Hann window, centred frames and zeros beyond both ends;
its inverse is the least-squares one of Griffin and Lim 1984 (doi:10.1109/TASSP.1984.1164317), as in torch.istft.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

EPSILON = 1e-8  # keeps the compression smooth at zero
LEAST_RMS = 1e-4  # of silence


def transform(waveform: Float[Tensor, "*batch sample"], n_fft: int, hop_length: int) -> Complex[Tensor, "*batch freq frame"]:
    """The spectrum: n_fft // 2 + 1 frequencies, sample // hop_length + 1 frames."""
    flat = waveform.reshape(-1, waveform.shape[-1])
    window = torch.hann_window(n_fft, device=waveform.device)
    found = torch.stft(flat, n_fft, hop_length, window=window, pad_mode="constant", return_complex=True)
    return found.reshape(*waveform.shape[:-1], *found.shape[-2:])


def inverse(
    spectrum: Complex[Tensor, "*batch freq frame"], n_fft: int, hop_length: int, length: int
) -> Float[Tensor, "*batch sample"]:
    """The waveform of `length` samples that has this spectrum, or the one nearest to it."""
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    window = torch.hann_window(n_fft, device=spectrum.device)
    found = torch.istft(flat, n_fft, hop_length, window=window, length=length)
    return found.reshape(*spectrum.shape[:-2], length)


def compress(spectrum: Complex[Tensor, "*shape"], exponent: float) -> Complex[Tensor, "*shape"]:
    """Raise the magnitude to `exponent` and keep the phase; smooth at zero."""
    power = spectrum.real.square() + spectrum.imag.square() + EPSILON
    return spectrum * power.pow((exponent - 1) / 2)


def rms(spectrum: Complex[Tensor, "batch channel freq frame"]) -> Float[Tensor, " batch"]:
    """The root mean square of each spectrum, by which it is divided for the network, at least LEAST_RMS."""
    return (spectrum.real.square() + spectrum.imag.square()).mean(dim=(1, 2, 3)).sqrt().clamp_min(LEAST_RMS)
