"""What training makes small. Spectra are (batch, target, channel, freq, frame), divided by the mixture's root mean square.

A stem and its counterfactual add up to the mixture, so their errors are the same but for the sign, and a linear term of one is
that of the other. Only the compressed term tells them apart: there `stem_weight` says how much the stems count.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.models.networks.shape import Mixture, State
from unsung.params import Loss
from unsung.spectrum import compress, inverse

Terms = dict[str, Float[Tensor, ""]]


def terms(found: State, truth: State, mixture: Mixture, settings: Loss, n_fft: int, hop_length: int) -> Terms:
    """Each weighted term of the loss and their sum `loss`; `found` and `truth` are counterfactuals."""
    parts: Terms = {}
    if settings.spectrum:
        parts["spectrum"] = settings.spectrum * complex_l1(found, truth)
    if settings.waveform:
        parts["waveform"] = settings.waveform * waveform_l1(found, truth, n_fft, hop_length)
    if settings.compressed:
        y = mixture.unsqueeze(1)
        parts["compressed"] = settings.compressed * complex_l1(compress(found, 0.5), compress(truth, 0.5))
        stems = complex_l1(compress(y - found, 0.5), compress(y - truth, 0.5))
        parts["compressed_stem"] = settings.compressed * settings.stem_weight * stems
    return {**parts, "loss": torch.stack(list(parts.values())).sum()}


def complex_l1(found: State, truth: State) -> Float[Tensor, ""]:
    """Mean absolute difference of real and imaginary parts."""
    return torch.view_as_real(found - truth).abs().mean()


def waveform_l1(found: State, truth: State, n_fft: int, hop_length: int) -> Float[Tensor, ""]:
    """Mean absolute difference of the waveforms, brought to the size of the spectra (a Hann window's power is 3/8)."""
    length = (found.shape[-1] - 1) * hop_length
    return inverse(found - truth, n_fft, hop_length, length).abs().mean() * (0.375 * n_fft) ** 0.5
