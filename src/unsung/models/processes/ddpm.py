"""ddpm: the diffusion that starts at Gaussian noise, with the mixture as its condition.

Forward (Ho, Jain and Abbeel 2020, arXiv 2006.11239), on x(0), the compressed counterfactual:
    x(t) = sqrt(abar(t)) x(0) + sqrt(1 - abar(t)) n,        n ~ complex noise
with its linear schedule or the cosine one of Nichol and Dhariwal 2021 (arXiv 2102.09672). The
network's output is one of
    data      masks on the mixture, which leave the counterfactual
    epsilon   the noise n
    velocity  v = sqrt(abar) n - sqrt(1 - abar) x(0)  (Salimans and Ho 2022, arXiv 2202.00512)
Backward by DDPM or DPM-Solver++ (arXiv 2211.01095) of diffusers, or by a DDIM of our own (arXiv
2010.02502), because that of diffusers leaves noise where the calls do not divide the timesteps. It
starts at noise, or at the mixture with less noise. With guidance w (Ho and Salimans 2022, arXiv
2207.12598) an output is u + w (c - u): c with the condition, u without it. Condition dropout in
training teaches the network u.

What a sample is made of is decided where there is little but noise. With `noisy_share` training is
there more often, and with `own_answers` it sees states of its own answers (as in bridge.py), those
to noise alone, because sampling makes them of such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Generator, Tensor

from unsung.config.section import NetworkSettings, ProcessSettings, Section, Share, Weight
from unsung.errors import UserError, missing
from unsung.models.networks.base import Mixture, State, Time
from unsung.models.processes.base import Draws, Example, NetworkCall, lots, noise_like, remaining, replaced, whole
from unsung.spectrum import compress

Step = Callable[[State, int, State], State]  # output at t, t, x(t) -> x at the next smaller time
EXPONENT = 0.5  # compression of the spectrum
NOISY_ABAR = 0.1  # where there is more noise than this leaves, noisy_share applies
KINDS = {"data": "sample", "epsilon": "epsilon", "velocity": "v_prediction"}  # as diffusers calls them
MIN_ABAR = 1e-4  # where sampling starts if noise is predicted: a smaller value would amplify its errors
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}


class Forward(Section):
    """`processes.ddpm.forward` in params.yaml."""

    schedule: Literal["linear", "cosine"]
    timesteps: Annotated[int, Field(ge=2, le=100_000)]
    prediction: Literal["data", "epsilon", "velocity"]
    scale: PositiveFloat
    condition_dropout: Share
    noisy_share: Share = 0.0  # as of models that are older than it
    own_answers: Share = 0.0  # the same

    @model_validator(mode="after")
    def _answers_are_counterfactuals(self) -> "Forward":
        if self.own_answers and self.prediction != "data":
            raise ValueError("own_answers needs prediction data")
        return self


class Settings(ProcessSettings):
    """`processes.ddpm` in params.yaml."""

    sampling_defaults = {"calls": 20, "draws": 1, "sampler": "ddim", "eta": 0.0, "guidance": 1.0, "start_time": 1.0}

    forward: Forward
    draws: PositiveInt
    sampler: Literal["ddpm", "ddim", "dpmsolver++"]
    eta: Share
    guidance: Weight
    start_time: Annotated[float, Field(gt=0, le=1)]

    @classmethod
    def by_default(cls, forward: Section) -> ProcessSettings:
        """In 20 calls, or as many as there are timesteps."""
        assert isinstance(forward, Forward)
        return cls.model_validate({**cls.sampling_defaults, "calls": min(20, forward.timesteps), "forward": forward})

    @model_validator(mode="after")
    def _enough_timesteps(self) -> "Settings":
        if round(self.calls / self.start_time) > self.forward.timesteps:
            raise ValueError("calls / start_time must not exceed forward.timesteps")
        return self

    def check(self, network: NetworkSettings, calls: Sequence[int]) -> None:
        """See ProcessSettings."""
        if self.forward.prediction != "data" and network.mask != "complex":
            raise ValueError("noise and velocity are complex: for ddpm to predict them mask must be complex, or prediction data")
        most = self.forward.timesteps * self.start_time
        if max(calls) > most:
            raise ValueError(f"train.valid_calls, sweep.calls and uncertainty.calls must not exceed the {most:g} timesteps of ddpm")


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    states = 1
    one_call = False
    repeats = True

    def corrupt(self, network: NetworkCall, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """A noisy state at a random time; for some items, condition dropout mutes the mixture."""
        draws = torch.stack([torch.rand(2, generator=rng, device=rng.device) for rng in rngs])
        t = self._times(draws[:, 0], lots(self.settings.forward.noisy_share, rngs))
        if items := lots(self.settings.forward.own_answers, rngs):
            a = replaced(a, items, self._first(network, y[items], a.shape[1], [rngs[item] for item in items]))
        x0, noise = self.diffused(a), gaussian(a, rngs)
        abar = self.abar.to(t.device)[t]
        condition = y * (draws[:, 1] >= self.settings.forward.condition_dropout).view(-1, 1, 1, 1)
        goal = {"data": None, "epsilon": noise, "velocity": velocity(x0, noise, abar)}[self.settings.forward.prediction]
        return Example(self.undiffused(marginal(x0, noise, abar)), condition, self.relative(t), goal)

    def _times(self, draws: Float[Tensor, " batch"], noisy: Sequence[int]) -> Int[Tensor, " batch"]:
        """Timesteps for numbers from 0 to 1; of `noisy` items where abar is below NOISY_ABAR."""
        first = torch.zeros_like(draws)
        first[noisy] = float((self.abar >= NOISY_ABAR).sum())
        last = self.settings.forward.timesteps
        return (first + draws * (last - first)).long().clamp(max=last - 1)

    @torch.no_grad()
    def _first(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> State:
        """The network's answer to noise alone."""
        state = self.undiffused(gaussian(whole(y, targets), rngs))
        return remaining(network(state, y, torch.ones(len(y), device=y.device)), y)

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """`settings.draws` counterfactuals of `settings.calls` calls each, twice that if guided."""
        return torch.stack([self._sample(network, y, targets, rngs) for _ in range(self.settings.draws)])

    def _sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> State:
        mixture = self.diffused(whole(y, targets))
        times = self.times(self.settings.calls)
        noise = gaussian(mixture, rngs)
        shallow = self.settings.start_time < 1
        x = marginal(mixture, noise, self.abar[times[:1]].to(y.device).expand(len(y))) if shallow else noise
        step = self._ddim(times, rngs) if self.settings.sampler == "ddim" else self._diffusers(times, rngs)
        for t in times:
            x = step(self._guided(network, x, y, self.relative(torch.full((len(y),), t, device=y.device))), t, x)
        return self.undiffused(x)

    def times(self, calls: int) -> list[int]:
        """The timesteps of the calls, evenly spaced from `start_time` down to 0.

        Raises:
            UserError: there are fewer timesteps than calls.
        """
        usable = int((self.abar >= MIN_ABAR).sum()) if self.settings.forward.prediction == "epsilon" else len(self.abar)
        top = round(self.settings.start_time * usable)
        if calls > top:
            raise UserError(f"ddpm has {top} timesteps to sample at, not {calls}; take fewer calls, or start earlier")
        return [round(top * (1 - number / calls)) - 1 for number in range(calls)]

    def _ddim(self, times: Sequence[int], rngs: Sequence[Generator]) -> Step:
        earlier = dict(zip(times, [*times[1:], None], strict=True))
        abar = self.abar.tolist()

        def step(out: State, t: int, x: State) -> State:
            x0, noise = split(out, x, abar[t], self.settings.forward.prediction)
            s = earlier[t]
            return x0 if s is None else ddim(x0, noise, abar[t], abar[s], self.settings.eta, rngs)

        return step

    def _diffusers(self, times: Sequence[int], rngs: Sequence[Generator]) -> Step:
        scheduler = self.scheduler(self.settings.sampler)
        scheduler.set_timesteps(timesteps=list(times))
        options = {"generator": list(rngs)} if self.settings.sampler == "ddpm" else {}

        def step(out: State, t: int, x: State) -> State:
            result = scheduler.step(torch.view_as_real(out), torch.tensor(t), torch.view_as_real(x), **options)
            return torch.view_as_complex(result.prev_sample.contiguous())

        return step

    def _guided(self, network: NetworkCall, x: State, y: Mixture, time: Time) -> State:
        """The prediction for the sampler: x(0), the noise or the velocity."""
        state, guidance = self.undiffused(x), self.settings.guidance

        def output(condition: Mixture) -> State:
            out = network(state, condition, time)
            return self.diffused(remaining(out, y)) if self.settings.forward.prediction == "data" else out

        conditional = output(y)
        if guidance == 1:
            return conditional
        unconditional = output(torch.zeros_like(y))
        return unconditional + guidance * (conditional - unconditional)

    def diffused(self, spectrum: State) -> State:
        """Compress a spectrum and scale it to about unit power."""
        return self.settings.forward.scale * compress(spectrum, EXPONENT)

    def undiffused(self, x: State) -> State:
        """The inverse of `diffused`: networks see states like this, and compress them."""
        x = x / self.settings.forward.scale
        return x * x.abs() ** (1 / EXPONENT - 1)

    def relative(self, t: Tensor) -> Time:
        """The timesteps scaled to 0 to 1, as networks expect them."""
        return t.float() / (self.settings.forward.timesteps - 1)

    @cached_property
    def abar(self) -> Tensor:
        """The share of the power of x(0) that is left at each timestep."""
        return self.scheduler("ddpm").alphas_cumprod

    def scheduler(self, sampler: str) -> Any:
        """The scheduler of diffusers for this sampler, with the schedule of the settings.

        Raises:
            UserError: diffusers is not installed.
        """
        try:
            from diffusers import DDPMScheduler, DPMSolverMultistepScheduler  # here: they take seconds to import
        except ModuleNotFoundError as error:
            raise UserError(f"a model of ddpm needs {missing(error)}") from None

        settings: dict[str, Any] = {
            "num_train_timesteps": self.settings.forward.timesteps,
            "beta_schedule": SCHEDULES[self.settings.forward.schedule],
            "beta_start": 1e-4 * 1000 / self.settings.forward.timesteps,  # as for 1000 timesteps
            "beta_end": min(0.999, 2e-2 * 1000 / self.settings.forward.timesteps),
            "prediction_type": KINDS[self.settings.forward.prediction],
        }
        return DDPMScheduler(**settings, clip_sample=False) if sampler == "ddpm" else DPMSolverMultistepScheduler(**settings)


def gaussian(like: State, rngs: Sequence[Generator]) -> State:
    """Noise whose real and imaginary parts have unit variance each, as in diffusers."""
    return noise_like(like, rngs) * 2**0.5


def marginal(x0: State, noise: State, abar: Tensor) -> State:
    """x(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def split(out: State, x: State, abar: float, prediction: str) -> tuple[State, State]:
    """x(0) and the noise of x(t), from the network's output."""
    signal, rest = abar**0.5, (1 - abar) ** 0.5
    if prediction == "velocity":
        return signal * x - rest * out, signal * out + rest * x
    if prediction == "epsilon":
        return (x - rest * out) / signal, out
    return out, (x - signal * out) / rest


def ddim(x0: State, noise: State, abar: float, earlier: float, eta: float, rngs: Sequence[Generator]) -> State:
    """Draw x(s) for s < t, where abar is `earlier` (arXiv 2010.02502, equations 12 and 16)."""
    sigma = eta * ((1 - earlier) / (1 - abar)) ** 0.5 * (1 - abar / earlier) ** 0.5
    kept = max(0.0, 1 - earlier - sigma**2) ** 0.5  # rounding may make it negative
    x = earlier**0.5 * x0 + kept * noise
    return x + sigma * gaussian(x0, rngs) if eta else x


def velocity(x0: State, noise: State, abar: Tensor) -> State:
    """v(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0
