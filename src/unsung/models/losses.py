"""What training makes small. Spectra are (batch, target, channel, freq, frame), divided by the mixture's root mean square.

A stem and its counterfactual add up to the mixture, so their errors are the same but for the sign, and a linear term of one is
that of the other. Terms that bend amplitudes tell them apart (compressed, magnitude, multi_resolution): there `stem_weight` says
how much the stems count beside the counterfactuals, whose weight is 1. Every term is logged on its own.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.config.schema import Loss
from unsung.models.networks.base import Mixture, State
from unsung.spectrum import compress, inverse

Terms = dict[str, Float[Tensor, ""]]
Waveform = Float[Tensor, "batch target channel sample"]
RESOLUTIONS = (2048, 1024, 512)  # samples of a window


def terms(
    found: State, truth: State, mixture: Mixture, settings: Loss, targets: Sequence[str], n_fft: int, hop_length: int
) -> Terms:
    """Each weighted term of the loss and their sum `loss`; `found` and `truth` are counterfactuals of `targets`."""
    parts: Terms = {}
    linear, bent = _linear(n_fft, hop_length), _bent(n_fft, hop_length)
    weights = [settings.target_weights.get(target, 1.0) for target in targets]
    share = None if set(weights) == {1.0} else torch.tensor(weights, device=found.device)
    y = mixture.unsqueeze(1)
    for name, term in linear.items():
        if weight := getattr(settings, name):
            parts[name] = weight * term(found, truth, share)
    for name, term in bent.items():
        if weight := getattr(settings, name):
            parts[name] = weight * term(found, truth, share)
            parts[f"{name}_stem"] = weight * settings.stem_weight * term(y - found, y - truth, share)
    return {**parts, "loss": torch.stack(list(parts.values())).sum()}


Term = Callable[[State, State, Tensor | None], Float[Tensor, ""]]


def _linear(n_fft: int, hop_length: int) -> dict[str, Term]:
    """Terms that are the same for stems and counterfactuals."""
    size = (0.375 * n_fft) ** 0.5  # brings a waveform to the size of its spectrum: a Hann window's power is 3/8
    return {
        "spectrum": lambda found, truth, share: l1(torch.view_as_real(found - truth), share),
        "spectrum_mse": lambda found, truth, share: mse(torch.view_as_real(found - truth), share),
        "waveform": lambda found, truth, share: size * l1(waveform(found - truth, n_fft, hop_length), share),
        "waveform_mse": lambda found, truth, share: size**2 * mse(waveform(found - truth, n_fft, hop_length), share),
    }


def _bent(n_fft: int, hop_length: int) -> dict[str, Term]:
    """Terms that are not."""

    def resolutions(found: State, truth: State, share: Tensor | None) -> Float[Tensor, ""]:
        return multi_resolution(waveform(found, n_fft, hop_length), waveform(truth, n_fft, hop_length), share)

    return {
        "compressed": lambda found, truth, share: l1(torch.view_as_real(compress(found, 0.5) - compress(truth, 0.5)), share),
        "magnitude": lambda found, truth, share: l1(found.abs() - truth.abs(), share),
        "magnitude_mse": lambda found, truth, share: mse(found.abs() - truth.abs(), share),
        "multi_resolution": resolutions,
    }


def prediction(out: State, goal: State) -> Terms:
    """The mean squared distance of what the network put out from what a process wanted of it (noise, or velocity)."""
    distance = torch.view_as_real(out - goal).square().mean()
    return {"prediction": distance, "loss": distance}


def l1(error: Float[Tensor, "batch target *rest"], share: Float[Tensor, " target"] | None = None) -> Float[Tensor, ""]:
    """Mean absolute error, that of each target times its `share`."""
    return _shared(error.abs(), share).mean()


def mse(error: Float[Tensor, "batch target *rest"], share: Float[Tensor, " target"] | None = None) -> Float[Tensor, ""]:
    """Mean squared error, that of each target times its `share`."""
    return _shared(error.square(), share).mean()


def _shared(error: Tensor, share: Tensor | None) -> Tensor:
    return error if share is None else error * share.view(-1, *[1] * (error.ndim - 2))


def waveform(spectrum: State, n_fft: int, hop_length: int) -> Waveform:
    """The waveform, from the middle of the first frame to that of the last."""
    return inverse(spectrum, n_fft, hop_length, (spectrum.shape[-1] - 1) * hop_length)


def multi_resolution(found: Waveform, truth: Waveform, share: Float[Tensor, " target"] | None = None) -> Float[Tensor, ""]:
    """auraloss's multi-resolution STFT distance (Yamamoto, Song and Kim 2020, arXiv 1910.11480): convergence and log magnitude."""
    judge = _judge(found.device)
    each = torch.stack([judge(found[:, target], truth[:, target]) for target in range(found.shape[1])])
    return each.mean() if share is None else (each * share).mean()


@cache
def _judge(device: torch.device) -> Any:
    from auraloss.freq import MultiResolutionSTFTLoss  # here: it takes a second to import

    hops = [size // 4 for size in RESOLUTIONS]
    return MultiResolutionSTFTLoss(fft_sizes=list(RESOLUTIONS), hop_sizes=hops, win_lengths=list(RESOLUTIONS)).to(device)
