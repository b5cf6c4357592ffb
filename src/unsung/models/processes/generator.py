"""generator: a sample in one call. The network sees the mixture and noise, and learns to spread.

Each training item is answered twice, for two noises. A term d of the loss, by which f is worse the
farther it is from the truth a, becomes
    (d(f1, a) + d(f2, a)) / 2 - d(f1, f2) / 2
the fair CRPS where d is an absolute error, the energy score where it is a norm (Gneiting and
Raftery 2007, doi:10.1198/016214506000001437; as a loss: arXiv 2502.02483, 2506.10772).
It is least in the mean where f is drawn as `a` is, given the mixture: neither too sure nor too
vague. The noise has the magnitude of the mixture, so silence stays silent.

With `plain_share` the network also learns to answer without noise, at the time 0, by the plain
loss: one answer costs half as much as two, and teaches both. `noisy` chooses what to give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Generator

from unsung.config.section import ProcessSettings, Section
from unsung.models.networks.base import Mixture, State
from unsung.models.processes.base import Draws, Example, NetworkCall, lots, remaining, shaped_noise, whole

TOGETHER = 2  # answers that are scored against each other


class Forward(Section):
    """`processes.generator.forward` in params.yaml."""

    plain_share: Annotated[float, Field(ge=0, lt=1)]


class Settings(ProcessSettings):
    """`processes.generator` in params.yaml."""

    sampling_defaults = {"calls": 1, "draws": 1, "noisy": True}

    forward: Forward
    calls: Literal[1]
    draws: PositiveInt
    noisy: bool

    @model_validator(mode="after")
    def _can_be_plain(self) -> "Settings":
        if not self.noisy and not self.forward.plain_share:
            raise ValueError("without noise it must have learned to answer; set forward.plain_share above 0")
        return self


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    states = 1
    one_call = False
    repeats = False

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """The batch twice, each time with other noise; or once, without."""
        if lots(self.settings.forward.plain_share, rngs[:1]):
            return Example(torch.zeros_like(a), y, torch.zeros(len(y), device=y.device))
        states = torch.cat([shaped_noise(a, y, rngs) for _ in range(TOGETHER)])
        return Example(states, y.repeat(TOGETHER, 1, 1, 1), torch.ones(len(states), device=y.device), draws=TOGETHER)

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """`settings.draws` counterfactuals, each in one call; only one where there is no noise."""
        like, time = whole(y, targets), torch.ones(len(y), device=y.device)
        if not self.settings.noisy:
            return remaining(network(torch.zeros_like(like), y, 0 * time), y).unsqueeze(0)
        states = (shaped_noise(like, y, rngs) for _ in range(self.settings.draws))
        return torch.stack([remaining(network(state, y, time), y) for state in states])
