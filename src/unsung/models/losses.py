"""What training makes small. Spectra are (batch, target, channel, freq, frame), divided by the mixture's root mean square.

A stem and its counterfactual add up to the mixture, so their errors are the same but for the sign, and a linear term of one is
that of the other. Terms that bend amplitudes tell them apart (compressed, magnitude, multi_resolution): there `stem_weight` says
how much the stems count beside the counterfactuals, whose weight is 1. Every term is logged on its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.config.schema import Loss
from unsung.models.networks.base import Mixture, State
from unsung.spectrum import Stft, compress

Terms = dict[str, Float[Tensor, ""]]
Waveform = Float[Tensor, "batch target channel sample"]
RESOLUTIONS = (2048, 1024, 512)  # samples of a window


Term = Callable[[State, State], Float[Tensor, ""]]


@dataclass(frozen=True)
class Criterion:
    """The loss of counterfactuals of `targets`, as `settings` weighs its terms."""

    settings: Loss
    targets: Sequence[str]
    stft: Stft

    def terms(self, estimate: State, reference: State, mixture: Mixture) -> Terms:
        """Each weighted term, and their sum `loss`; `estimate` and `reference` are counterfactuals."""
        parts: Terms = {}
        y = mixture.unsqueeze(1)
        for name, term in self._linear.items():
            if weight := getattr(self.settings, name):
                parts[name] = weight * term(estimate, reference)
        for name, term in self._bent.items():
            if weight := getattr(self.settings, name):
                parts[name] = weight * term(estimate, reference)
                parts[f"{name}_stem"] = weight * self.settings.stem_weight * term(y - estimate, y - reference)
        return {**parts, "loss": torch.stack(list(parts.values())).sum()}

    @property
    def _linear(self) -> dict[str, Term]:
        """Terms that are the same for stems and counterfactuals."""
        size = (0.375 * self.stft.n_fft) ** 0.5  # brings a waveform to the size of its spectrum: a Hann window's power is 3/8
        inverse, mean = self.stft.inverse, self._mean
        return {
            "spectrum": lambda e, r: mean(torch.view_as_real(e - r).abs()),
            "spectrum_mse": lambda e, r: mean(torch.view_as_real(e - r).square()),
            "waveform": lambda e, r: size * mean(inverse(e - r).abs()),
            "waveform_mse": lambda e, r: size**2 * mean(inverse(e - r).square()),
        }

    @property
    def _bent(self) -> dict[str, Term]:
        """Terms that are not, because they bend amplitudes."""
        inverse, mean = self.stft.inverse, self._mean
        return {
            "compressed": lambda e, r: mean(torch.view_as_real(compress(e, 0.5) - compress(r, 0.5)).abs()),
            "magnitude": lambda e, r: mean((e.abs() - r.abs()).abs()),
            "magnitude_mse": lambda e, r: mean((e.abs() - r.abs()).square()),
            "multi_resolution": lambda e, r: mean(multi_resolution(inverse(e), inverse(r))[None]),
        }

    def _mean(self, error: Float[Tensor, "batch target *rest"]) -> Float[Tensor, ""]:
        """The mean of an error, that of each target times its weight."""
        weights = [self.settings.target_weights.get(target, 1.0) for target in self.targets]
        if set(weights) != {1.0}:
            error = error * torch.tensor(weights, device=error.device).view(-1, *[1] * (error.ndim - 2))
        return error.mean()


def prediction(output: State, goal: State) -> Terms:
    """The mean squared distance of what the network put out from what a process wanted of it (noise, or velocity)."""
    distance = torch.view_as_real(output - goal).square().mean()
    return {"prediction": distance, "loss": distance}


def multi_resolution(estimate: Waveform, reference: Waveform) -> Float[Tensor, " target"]:
    """auraloss's multi-resolution STFT distance (Yamamoto, Song and Kim 2020, arXiv 1910.11480) of each target.

    The sum of spectral convergence and the L1 of log magnitudes.
    """
    judge = _judge(estimate.device)
    return torch.stack([judge(estimate[:, target], reference[:, target]) for target in range(estimate.shape[1])])


@cache
def _judge(device: torch.device) -> Any:
    from auraloss.freq import MultiResolutionSTFTLoss  # here: it takes a second to import

    hops = [size // 4 for size in RESOLUTIONS]
    return MultiResolutionSTFTLoss(fft_sizes=list(RESOLUTIONS), hop_sizes=hops, win_lengths=list(RESOLUTIONS)).to(device)
