"""predictive: no diffusion. The network sees the mixture alone; one call gives the counterfactual.

This is the ablation of the other processes: they must do better than it. With `rounds` above 1 it
is their twin at equal calls: the network sees its last answer, too, and answers again. Such rounds
are depth with shared weights, as the recycling of AlphaFold (doi:10.1038/s41586-021-03819-2): in
training their number is random, and the gradient goes through the last one, or through all.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import model_validator
from torch import Generator

from unsung.config.section import Number, ProcessSettings, Section
from unsung.models.networks.base import Mixture, State, Time
from unsung.models.processes.base import Draws, Example, NetworkCall, remaining, whole


class Forward(Section):
    """`processes.predictive.forward` in params.yaml."""

    rounds: Number = 1  # as of models that are older than it
    gradient: Literal["last", "all"] = "last"


class Settings(ProcessSettings):
    """`processes.predictive` in params.yaml."""

    sampling_defaults = {"calls": 1}

    forward: Forward

    @classmethod
    def by_default(cls, forward: Section) -> ProcessSettings:
        """In as many calls as it was trained for."""
        assert isinstance(forward, Forward)
        return cls.model_validate({"calls": forward.rounds, "forward": forward})

    @model_validator(mode="after")
    def _has_rounds(self) -> "Settings":
        if self.calls > 1 and self.forward.rounds == 1:
            raise ValueError("a predictive network takes one call; it learns to take more with forward.rounds above 1")
        return self


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    one_call = True

    @property
    def states(self) -> int:
        """See base.Process."""
        return int(self.repeats)

    @property
    def repeats(self) -> bool:
        """See base.Process."""
        return self.settings.forward.rounds > 1

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """The mixture alone, as in separating, or with its own answer after some rounds."""
        if not self.repeats:
            return Example(None, y, None)
        done = int(torch.randint(self.settings.forward.rounds, (), generator=rngs[0], device=rngs[0].device))
        with torch.no_grad() if self.settings.forward.gradient == "last" else nullcontext():
            return Example(*self._after(network, y, a.shape[1], done))

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """The counterfactual; there is nothing to draw."""
        if not self.repeats:
            return remaining(network(None, y, None), y).unsqueeze(0)
        return remaining(network(*self._after(network, y, targets, self.settings.calls - 1)), y).unsqueeze(0)

    def _after(self, network: NetworkCall, y: Mixture, targets: int, done: int) -> tuple[State, Mixture, Time]:
        """What the network sees after that many rounds: the time is 1 in the first, then 0."""
        state, time = whole(y, targets), torch.ones(len(y), device=y.device)
        for _ in range(done):
            state = remaining(network(state, y, time), y)
            time = torch.zeros_like(time)
        return state, y, time
