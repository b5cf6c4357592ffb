"""What processes share: their interface, training examples, masks to counterfactuals, noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Complex
from torch import Generator, Tensor

from unsung.config.section import ProcessSettings
from unsung.models.networks.base import Mixture, State, States, Time

Draws = Complex[Tensor, "draw batch target channel freq frame"]  # counterfactuals
NetworkCall = Callable[[States | None, Mixture, Time | None], State]  # -> masks, or what else the process predicts


@dataclass(frozen=True)
class Example:
    """A training example as the network sees it."""

    state: States | None
    mixture: Mixture
    time: Time | None
    goal: State | None = None  # the output that is wanted, if not masks
    base: State | None = None  # what the masked mixture is taken from, if not the mixture
    draws: int = 1  # how often the batch is in it, one after the other, to be scored together


@runtime_checkable
class Process(Protocol):
    """What a process has to offer."""

    @property
    def states(self) -> int:
        """How many spectra of each target the network sees beside the mixture."""

    @property
    def one_call(self) -> bool:
        """Whether one call, with the mixture as the state and 1 as the time, is a separator."""

    @property
    def repeats(self) -> bool:
        """Whether a counterfactual can take more than one call."""

    @property
    def settings(self) -> ProcessSettings:
        """What `processes.<name>` of params.yaml says."""

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """Make a training example of the counterfactual `a` of the mixture `y`.

        The network is there for those who show it its own answers.
        """

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """Draw one or more counterfactuals of `y`."""


def remaining(masks: State, mixture: Mixture, base: State | None = None) -> State:
    """The counterfactual: the mixture, or another base, minus the masked mixture."""
    y = mixture.unsqueeze(1)
    return (y if base is None else base) - masks * y


def noise_like(like: State, rngs: Sequence[Generator]) -> State:
    """Complex Gaussian noise of power 1; each item has its own generator."""
    return torch.stack([torch.randn(like.shape[1:], dtype=like.dtype, device=rng.device, generator=rng) for rng in rngs])


def shaped_noise(like: State, y: Mixture, rngs: Sequence[Generator]) -> State:
    """Complex Gaussian noise with the mixture's magnitude."""
    return noise_like(like, rngs) * y.abs().unsqueeze(1)


def whole(y: Mixture, targets: int) -> State:
    """The mixture as the state of each target."""
    return y.unsqueeze(1).expand(-1, targets, -1, -1, -1)


def lots(share: float, rngs: Sequence[Generator]) -> list[int]:
    """The numbers of the items on which a lot of that probability falls.

    With 0 nothing is drawn, so all else is as it would be without.
    """
    if not share:
        return []
    return [number for number, rng in enumerate(rngs) if float(torch.rand((), generator=rng, device=rng.device)) < share]


def replaced(a: State, items: Sequence[int], answers: Complex[Tensor, "item target channel freq frame"]) -> State:
    """`a` with other counterfactuals for some items."""
    return a.index_copy(0, torch.tensor(items, device=a.device), answers)
