"""What processes share: their interface, training examples, masks to counterfactuals, noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Complex
from torch import Generator, Tensor

from unsung.config.section import ProcessSettings
from unsung.models.networks.base import Mixture, State, Time

Draws = Complex[Tensor, "draw batch target channel freq frame"]  # counterfactuals
NetworkCall = Callable[[State | None, Mixture, Time | None], State]  # -> masks, or what else the process predicts


@dataclass(frozen=True)
class Example:
    """A training example as the network sees it."""

    state: State | None
    mixture: Mixture
    time: Time | None
    goal: State | None = None  # the output that is wanted, if not masks


@runtime_checkable
class Process(Protocol):
    """What a process has to offer."""

    has_state: ClassVar[bool]  # whether the network sees a state beside the mixture
    one_call: ClassVar[bool]  # whether one call, with the mixture as the state and 1 as the time, is a separator

    @property
    def settings(self) -> ProcessSettings:
        """What `processes.<name>` of params.yaml says."""

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """Make a training example of the counterfactual `a` of the mixture `y`."""

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """Draw one or more counterfactuals of `y`."""


def remaining(masks: State, mixture: Mixture) -> State:
    """The counterfactual: the mixture minus the masked mixture."""
    y = mixture.unsqueeze(1)
    return y - masks * y


def noise_like(like: State, rngs: Sequence[Generator]) -> State:
    """Complex Gaussian noise of power 1; each item has its own generator."""
    return torch.stack([torch.randn(like.shape[1:], dtype=like.dtype, device=rng.device, generator=rng) for rng in rngs])
