"""How log-mels of another style are generated with a network: predictive, bridge, ddpm.

As in separation, with real numbers: y is the song as it is, `a` the song in the other style, both
`normalised`; the network always predicts `a`.

    predictive   one call, no state
    bridge       x(t) = (1 - t) a + t y + sigma sqrt(t (1 - t)) n, from y at 1 to `a` at 0 (Li et
                 al. 2023, arXiv 2205.07680)
    ddpm         x(t) = sqrt(abar(t)) a + sqrt(1 - abar(t)) n, cosine schedule (Nichol and Dhariwal
                 2021, arXiv 2102.09672), backward by DPM-Solver++ of diffusers; with `start` below
                 1 from y with less noise, as in SDEdit (Meng et al. 2021, arXiv 2108.01073)
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt, model_validator
from torch import Generator, Tensor

from unsung.config.section import Section, Share, Weight
from unsung.errors import UserError, missing

Image = Float[Tensor, "batch band frame"]  # normalised log-mels
Time = Float[Tensor, " batch"]
Predict = Callable[[Image | None, Time | None], Image]  # state and time -> the song in the other style
State = tuple[Image | None, Time | None]


class Predictive(Section):
    """`processes.predictive`: nothing to set."""

    def corrupt(self, a: Image, y: Image, rngs: Sequence[Generator]) -> State:
        """No state and no time."""
        return None, None

    def sample(self, predict: Predict, y: Image, rngs: Sequence[Generator]) -> Image:
        """One call."""
        return predict(None, None)


class Bridge(Section):
    """`processes.bridge`."""

    sigma: Weight
    start_share: Share  # of training examples that are y itself
    calls: PositiveInt

    def corrupt(self, a: Image, y: Image, rngs: Sequence[Generator]) -> State:
        """A state between `a` and y at a random time."""
        draws = uniform(2, rngs)
        t = torch.where(draws[:, 0] < self.start_share, 1.0, draws[:, 1])
        wide = t.view(-1, 1, 1)
        return (1 - wide) * a + wide * y + self.sigma * (wide * (1 - wide)).sqrt() * noise(a, rngs), t

    def sample(self, predict: Predict, y: Image, rngs: Sequence[Generator]) -> Image:
        """Walk from y to `a`."""
        x = y
        for t, s in itertools.pairwise(torch.linspace(1, 0, self.calls + 1).tolist()):
            a = predict(x, torch.full((len(y),), t, device=y.device))
            x = a + (s / t) * (x - a)
            if s > 0 and self.sigma:
                x = x + self.sigma * (s * (t - s) / t) ** 0.5 * noise(y, rngs)
        return x


class Ddpm(Section):
    """`processes.ddpm`."""

    timesteps: Annotated[int, Field(ge=2, le=100_000)]
    start: Annotated[float, Field(gt=0, le=1)]  # where sampling begins: at 1 from noise alone
    calls: PositiveInt

    @model_validator(mode="after")
    def _enough_timesteps(self) -> "Ddpm":
        if self.calls > self.start * self.timesteps:
            raise ValueError("calls must not exceed start x timesteps")
        return self

    def corrupt(self, a: Image, y: Image, rngs: Sequence[Generator]) -> State:
        """`a` with noise, at a random time."""
        steps = (uniform(1, rngs)[:, 0] * self.timesteps).long().clamp(max=self.timesteps - 1)
        return schedule(self.timesteps).add_noise(a, noise(a, rngs), steps.cpu()), steps / (self.timesteps - 1)

    def sample(self, predict: Predict, y: Image, rngs: Sequence[Generator]) -> Image:
        """From noise, or from y with noise, to `a`."""
        solver, top = solver_of(self.timesteps), round(self.start * self.timesteps)
        steps = [round(top * (1 - number / self.calls)) - 1 for number in range(self.calls)]
        solver.set_timesteps(timesteps=steps)
        first = torch.full((len(y),), steps[0])
        x = noise(y, rngs) if self.start == 1 else schedule(self.timesteps).add_noise(y, noise(y, rngs), first)
        for step in steps:
            a = predict(x, torch.full((len(y),), step / (self.timesteps - 1), device=y.device))
            x = solver.step(a, torch.tensor(step), x).prev_sample
        return x


Process = Predictive | Bridge | Ddpm


class Settings(Section):
    """`processes` in restyle/params.yaml."""

    predictive: Predictive
    bridge: Bridge
    ddpm: Ddpm


def has_state(process: Process) -> bool:
    """Whether its network sees a state and a time."""
    return not isinstance(process, Predictive)


def schedule(timesteps: int) -> Any:
    """The cosine schedule of diffusers, which adds noise.

    Raises:
        UserError: diffusers is not installed.
    """
    return _scheduler("DDPMScheduler", timesteps)


def solver_of(timesteps: int) -> Any:
    """DPM-Solver++ with the same schedule, for a network that predicts `a`.

    Raises:
        UserError: diffusers is not installed.
    """
    return _scheduler("DPMSolverMultistepScheduler", timesteps)


def _scheduler(name: str, timesteps: int) -> Any:
    try:
        import diffusers  # here: it takes seconds to import
    except ModuleNotFoundError as error:
        raise UserError(f"a model of ddpm needs {missing(error)}") from None
    return getattr(diffusers, name)(timesteps, beta_schedule="squaredcos_cap_v2", prediction_type="sample")


def uniform(count: int, rngs: Sequence[Generator]) -> Float[Tensor, "batch count"]:
    """Numbers from 0 to 1; each item has its own generator."""
    return torch.stack([torch.rand(count, generator=rng, device=rng.device) for rng in rngs])


def noise(like: Image, rngs: Sequence[Generator]) -> Image:
    """Gaussian noise; each item has its own generator."""
    return torch.stack([torch.randn(like.shape[1:], generator=rng, device=rng.device) for rng in rngs])
