"""The bridge: a diffusion that starts at the mixture and ends at the counterfactual.

x(1) is the mixture y, x(0) is the counterfactual a, and between them
    x(t) = (1 - t) a + t y + sigma sqrt(t (1 - t)) n,    n ~ complex noise with the magnitude |y|
so the noise vanishes at both ends and silence stays silent. The network predicts `a` directly, so
one call at t = 1 is already a separator and further calls refine it. This is the Brownian bridge of
BBDM (Li et al. 2023, arXiv 2205.07680).

A sampler's states are made of the network's own answers, which err. A network that has only seen
states of true counterfactuals believes them too much. With `own_answers` some of the states in
training are made of its own first answer, without a gradient (arXiv 2208.04202, 2412.06965); the
goal stays the truth. At sigma 0 and own_answers 1 the calls are recycling, as in AlphaFold
(doi:10.1038/s41586-021-03819-2). With `rest` the network also sees y - x, what is left of the stem,
which vanishes in a loud accompaniment.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import PositiveInt
from torch import Generator

from unsung.config.section import ProcessSettings, Section, Share, Weight
from unsung.models.networks.base import Mixture, State, States, Time
from unsung.models.processes.base import Draws, Example, NetworkCall, lots, remaining, replaced, shaped_noise, whole

Answer = Callable[[State, Mixture, Time], State]  # -> counterfactual


class Forward(Section):
    """`processes.bridge.forward` in params.yaml."""

    sigma: Weight
    start_share: Share
    own_answers: Share = 0.0  # as of models that are older than it
    rest: bool = False  # the same


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
    one_call = True
    repeats = True

    @property
    def states(self) -> int:
        """See base.Process."""
        return 1 + self.settings.forward.rest

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """A state between counterfactual and mixture at a random time, and that time."""
        forward = self.settings.forward
        t = draw_times(forward.start_share, rngs)
        if items := [item for item in lots(forward.own_answers, rngs) if t[item] < 1]:
            a = replaced(a, items, self._first(network, y[items], a.shape[1]))
        return Example(self.seen(marginal(a, y, t, forward.sigma, rngs), y), y, t)

    @torch.no_grad()
    def _first(self, network: NetworkCall, y: Mixture, targets: int) -> State:
        """The network's answer to the mixture alone."""
        return remaining(network(self.seen(whole(y, targets), y), y, torch.ones(len(y), device=y.device)), y)

    def seen(self, x: State, y: Mixture) -> States:
        """What the network sees of the state x."""
        return torch.cat([x, y.unsqueeze(1) - x], dim=1) if self.settings.forward.rest else x

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """`settings.draws` counterfactuals; only one where no noise is drawn, as in one call."""
        calls, sigma = self.settings.calls, 0.0 if self.settings.deterministic else self.settings.forward.sigma

        def counterfactual(x: State, y: Mixture, t: Time) -> State:
            return remaining(network(self.seen(x, y), y, t), y)

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


def sample(network: Answer, y: Mixture, targets: int, calls: int, sigma: float, rngs: Sequence[Generator]) -> State:
    """Walk from the mixture to the counterfactual in `calls` calls of the network."""
    x = whole(y, targets)
    for t, s in itertools.pairwise(torch.linspace(1, 0, calls + 1).tolist()):
        a = network(x, y, torch.full((len(y),), t, device=y.device))
        x = step(x, a, y, (t, s), sigma, rngs) if s > 0 else a
    return x
