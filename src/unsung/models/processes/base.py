"""What processes share: what training shows a network, the network as a sampler calls it, and masks as counterfactuals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex
from torch import Generator, Tensor

from unsung.models.networks.base import Mixture, State, Time

Draws = Complex[Tensor, "draw batch target channel freq frame"]  # counterfactuals
Network = Callable[[State | None, Mixture, Time | None], State]  # -> what it puts out: masks, or what else a process makes of it


@dataclass(frozen=True)
class Shown:
    """A training example as the network sees it."""

    state: State | None
    mixture: Mixture
    time: Time | None
    goal: State | None = None  # what the network is to put out, where that is not masks that leave the counterfactual


def masked(masks: State, mixture: Mixture) -> State:
    """The counterfactual that masks leave of the mixture."""
    y = mixture.unsqueeze(1)
    return y - masks * y


def noise_like(like: State, rngs: Sequence[Generator]) -> State:
    """Complex Gaussian noise of power 1, drawn for each item from its own generator."""
    return torch.stack([torch.randn(like.shape[1:], dtype=like.dtype, device=rng.device, generator=rng) for rng in rngs])
