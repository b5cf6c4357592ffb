"""The loss. Spectra are (batch, target, channel, freq, frame), divided by the mixture's RMS.

The errors of a stem and its counterfactual differ in sign only, because the two add up to the
mixture. So linear terms are the same for both. The other terms (compressed, magnitude,
multi_resolution) also count the stems, with `stem_weight`.
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
Term = Callable[[State, State], Float[Tensor, ""]]
LINEAR = {"spectrum", "spectrum_mse", "waveform", "waveform_mse"}  # the same for a stem and its counterfactual
PATCH = 8  # frequencies and frames of a patch
TINY = 1e-8  # keeps the gradient of a root finite
RESOLUTIONS = (2048, 1024, 512)  # samples of a window


@dataclass(frozen=True)
class Criterion:
    """The loss of the counterfactuals of `targets`, with the weights of `settings`."""

    settings: Loss
    targets: Sequence[str]
    stft: Stft

    def terms(self, estimate: State, reference: State, mixture: Mixture) -> Terms:
        """The weighted terms and their sum `loss`, of estimated and true counterfactuals."""
        parts: Terms = {}
        y = mixture.unsqueeze(1)
        for name, term in self._terms.items():
            if weight := getattr(self.settings, name):
                parts[name] = weight * term(estimate, reference)
                if name not in LINEAR:
                    parts[f"{name}_stem"] = weight * self.settings.stem_weight * term(y - estimate, y - reference)
        return {**parts, "loss": torch.stack(list(parts.values())).sum()}

    def of_draws(self, draws: Sequence[State], reference: State, mixture: Mixture) -> Terms:
        """The terms for one estimate, or for two draws: the mean, less half of that between them.

        Of absolute errors that is the fair CRPS (Gneiting and Raftery 2007, eq. 20).
        """
        terms = [self.terms(estimate, reference, mixture) for estimate in draws]
        if len(terms) == 1:
            return terms[0]
        between = self.terms(draws[0], draws[1], mixture)
        return {name: (terms[0][name] + terms[1][name] - between[name]) / 2 for name in between}

    @property
    def _terms(self) -> dict[str, Term]:
        size = (0.375 * self.stft.n_fft) ** 0.5  # scales a waveform as its spectrum: a Hann window's power is 3/8
        inverse, mean = self.stft.inverse, self._mean
        return {
            "spectrum": lambda e, r: mean(torch.view_as_real(e - r).abs()),
            "spectrum_mse": lambda e, r: mean(torch.view_as_real(e - r).square()),
            "waveform": lambda e, r: size * mean(inverse(e - r).abs()),
            "waveform_mse": lambda e, r: size**2 * mean(inverse(e - r).square()),
            "compressed": lambda e, r: mean(torch.view_as_real(compress(e, 0.5) - compress(r, 0.5)).abs()),
            "patches": lambda e, r: mean(patches(compress(e, 0.5) - compress(r, 0.5))),
            "magnitude": lambda e, r: mean((e.abs() - r.abs()).abs()),
            "magnitude_mse": lambda e, r: mean((e.abs() - r.abs()).square()),
            "multi_resolution": lambda e, r: mean(multi_resolution(inverse(e), inverse(r))[None]),
        }

    def _mean(self, error: Float[Tensor, "batch target *rest"]) -> Float[Tensor, ""]:
        """The mean of an error, weighted by target."""
        weights = [self.settings.target_weights.get(target, 1.0) for target in self.targets]
        if set(weights) != {1.0}:
            error = error * torch.tensor(weights, device=error.device).view(-1, *[1] * (error.ndim - 2))
        return error.mean()


def patches(error: State) -> Float[Tensor, "batch target patch"]:
    """The root mean square of an error over each patch of PATCH frequencies and frames."""
    power = torch.view_as_real(error).square().sum(-1).mean(2)
    means = torch.nn.functional.avg_pool2d(power, PATCH, ceil_mode=True).flatten(2)
    return (means / 2 + TINY).sqrt() - TINY**0.5


def prediction(output: State, goal: State) -> Terms:
    """The mean squared error of a predicted noise or velocity."""
    error = torch.view_as_real(output - goal).square().mean()
    return {"prediction": error, "loss": error}


def multi_resolution(estimate: Waveform, reference: Waveform) -> Float[Tensor, " target"]:
    """The multi-resolution STFT loss of each target (arXiv 1910.11480), by auraloss."""
    loss = _multi_resolution_loss(estimate.device)
    return torch.stack([loss(estimate[:, target], reference[:, target]) for target in range(estimate.shape[1])])


@cache
def _multi_resolution_loss(device: torch.device) -> Any:
    from auraloss.freq import MultiResolutionSTFTLoss  # here: it takes a second to import

    hops = [size // 4 for size in RESOLUTIONS]
    return MultiResolutionSTFTLoss(fft_sizes=list(RESOLUTIONS), hop_sizes=hops, win_lengths=list(RESOLUTIONS)).to(device)
