"""generator: samples without a path to walk. The network sees noise, and learns to spread.

Each training item is answered twice, for two noises. A term d of the loss, by which f is worse the
farther it is from the truth a, becomes
    (d(f1, a) + d(f2, a)) / 2 - d(f1, f2) / 2
the fair CRPS where d is an absolute error, the energy score where it is a norm (Gneiting and
Raftery 2007, doi:10.1198/016214506000001437; as a loss: arXiv 2502.02483, 2506.10772). It is least
in the mean where f is drawn as `a` is, given the mixture: neither too sure nor too vague.

With `plain_share` the network also learns to answer without noise, at the time 0, by the plain
loss: one answer costs half as much as two, and teaches both. With `refine` that answer p comes
first, and a second call goes on from it (the posterior mean first: PMRF, arXiv 2410.00418). The
noise is then as strong as what p has taken out, so there is none where no voice was found, and the
network says what to change of p. Without `refine` the noise is as strong as the mixture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Generator

from unsung.config.section import ProcessSettings, Section, Weight
from unsung.models.networks.base import Mixture, State
from unsung.models.processes.base import Draws, Example, NetworkCall, lots, noise_like, remaining, whole

TOGETHER = 2  # answers that are scored against each other


class Forward(Section):
    """`processes.generator.forward` in params.yaml."""

    plain_share: Annotated[float, Field(ge=0, lt=1)]
    refine: bool

    @model_validator(mode="after")
    def _has_what_to_refine(self) -> "Forward":
        if self.refine and not self.plain_share:
            raise ValueError("refine goes on from the answer without noise; set plain_share above 0")
        return self


class Settings(ProcessSettings):
    """`processes.generator` in params.yaml."""

    sampling_defaults = {"calls": 1, "draws": 1, "noise": 1.0}

    forward: Forward
    draws: PositiveInt
    noise: Weight

    @classmethod
    def by_default(cls, forward: Section) -> ProcessSettings:
        """A draw."""
        assert isinstance(forward, Forward)
        return cls.model_validate({**cls.sampling_defaults, "calls": 1 + forward.refine, "forward": forward})

    @model_validator(mode="after")
    def _knows_its_calls(self) -> "Settings":
        if self.calls > 1 + self.forward.refine:
            raise ValueError("a generator takes one call, or two with forward.refine")
        if not self.forward.plain_share and not self.noise:
            raise ValueError("without noise it must have learned to answer; set forward.plain_share above 0")
        return self


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    one_call = False

    @property
    def states(self) -> int:
        """The noise, and with `refine` what the first answer has taken out."""
        return 1 + self.settings.forward.refine

    @property
    def repeats(self) -> bool:
        """See base.Process."""
        return self.settings.forward.refine

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """The batch twice, each time with other noise; or once, without."""
        if lots(self.settings.forward.plain_share, rngs[:1]):
            return self._plain(y, a.shape[1])
        with torch.no_grad():
            base = self._base(network, y, a.shape[1])
        shown = [self._noisy(base, y, 1.0, rngs) for _ in range(TOGETHER)]
        states, times = (torch.cat(parts) for parts in zip(*((one.state, one.time) for one in shown), strict=True))
        return Example(states, torch.cat([y] * TOGETHER), times, base=torch.cat([base] * TOGETHER), draws=TOGETHER)

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """`settings.draws` counterfactuals; one, the answer without noise, where there is none."""
        refine, noise = self.settings.forward.refine, self.settings.noise
        if not noise or self.settings.calls <= refine:
            return self._answer(network, self._plain(y, targets)).unsqueeze(0)
        base = self._base(network, y, targets)
        return torch.stack([self._answer(network, self._noisy(base, y, noise, rngs)) for _ in range(self.settings.draws)])

    def _base(self, network: NetworkCall, y: Mixture, targets: int) -> State:
        """What a draw begins with: the answer without noise, or the mixture."""
        return self._answer(network, self._plain(y, targets)) if self.settings.forward.refine else whole(y, targets)

    def _plain(self, y: Mixture, targets: int) -> Example:
        """What the network sees for an answer without noise, at the time 0."""
        x = whole(y, targets)
        nothing = torch.zeros_like(x)
        states = [x, nothing] if self.settings.forward.refine else [nothing]
        return Example(torch.cat(states, dim=1), y, torch.zeros(len(y), device=y.device))

    def _noisy(self, base: State, y: Mixture, noise: float, rngs: Sequence[Generator]) -> Example:
        """What it sees for a draw, at the time 1."""
        taken = whole(y, base.shape[1]) - base if self.settings.forward.refine else base
        x = noise * noise_like(base, rngs) * taken.abs()
        states = [base + x, taken] if self.settings.forward.refine else [x]
        return Example(torch.cat(states, dim=1), y, torch.ones(len(y), device=y.device), base=base)

    def _answer(self, network: NetworkCall, shown: Example) -> State:
        return remaining(network(shown.state, shown.mixture, shown.time), shown.mixture, shown.base)
