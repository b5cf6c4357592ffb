"""The bridge: a diffusion that starts at the mixture and ends at the counterfactual.

x(1) is the mixture y, x(0) is the counterfactual a, and between them
    x(t) = (1 - t) a + t y + sigma sqrt(t (1 - t)) n,    n ~ complex noise with the magnitude |y|
so the noise vanishes at both ends and silence stays silent. The network predicts `a` directly, so
one call at t = 1 is already a separator and further calls refine it. This is the Brownian bridge of
BBDM (Li et al. 2023, arXiv 2205.07680).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Generator

from unsung.config.section import ProcessSettings, Section, Share, Weight
from unsung.models.networks.base import Mixture, State, Time
from unsung.models.processes.base import Draws, Example, NetworkCall, noise_like, remaining


class Forward(Section):
    """`processes.bridge.forward` in params.yaml."""

    sigma: Weight
    start_share: Share


class Settings(ProcessSettings):
    """`processes.bridge` in params.yaml."""

    sampling_defaults = {"calls": 1, "draws": 1, "deterministic": False}

    forward: Forward
    draws: PositiveInt
    deterministic: bool


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    has_state = True
    one_call = True

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """A state between counterfactual and mixture at a random time, and that time."""
        t = draw_times(self.settings.forward.start_share, rngs)
        return Example(marginal(a, y, t, self.settings.forward.sigma, rngs), y, t)

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """`settings.draws` counterfactuals; only one where no noise is drawn, as in one call."""
        calls, sigma = self.settings.calls, 0.0 if self.settings.deterministic else self.settings.forward.sigma

        def counterfactual(x: State | None, y: Mixture, t: Time | None) -> State:
            return remaining(network(x, y, t), y)

        draws = self.settings.draws if calls > 1 and sigma else 1
        return torch.stack([sample(counterfactual, y, targets, calls, sigma, rngs) for _ in range(draws)])


def draw_times(start_share: float, rngs: Sequence[Generator]) -> Time:
    """Times of a batch: 1 with probability `start_share`, else uniform between 0 and 1."""
    draws = torch.stack([torch.rand(2, generator=rng, device=rng.device) for rng in rngs])
    return torch.where(draws[:, 0] < start_share, 1.0, draws[:, 1])


def marginal(a: State, y: Mixture, t: Time, sigma: float, rngs: Sequence[Generator]) -> State:
    """Draw x(t) between counterfactual `a` and mixture `y`."""
    t = t.view(-1, 1, 1, 1, 1)
    return (1 - t) * a + t * y.unsqueeze(1) + sigma * (t * (1 - t)).sqrt() * shaped_noise(a, y, rngs)


def step(x: State, a: State, y: Mixture, times: tuple[float, float], sigma: float, rngs: Sequence[Generator]) -> State:
    """Draw x(s) given x(t) and the predicted end `a`; `times` are t and s < t."""
    t, s = times
    mean = a + (s / t) * (x - a)
    return mean + sigma * (s * (t - s) / t) ** 0.5 * shaped_noise(x, y, rngs)


def sample(network: NetworkCall, y: Mixture, targets: int, calls: int, sigma: float, rngs: Sequence[Generator]) -> State:
    """Walk from the mixture to the counterfactual in `calls` calls of the network."""
    x = y.unsqueeze(1).expand(-1, targets, -1, -1, -1)
    for t, s in itertools.pairwise(torch.linspace(1, 0, calls + 1).tolist()):
        a = network(x, y, torch.full((len(y),), t, device=y.device))
        x = step(x, a, y, (t, s), sigma, rngs) if s > 0 else a
    return x


def shaped_noise(like: State, y: Mixture, rngs: Sequence[Generator]) -> State:
    """Complex Gaussian noise with the mixture's magnitude."""
    return noise_like(like, rngs) * y.abs().unsqueeze(1)
