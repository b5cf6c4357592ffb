"""ddpm: the diffusion that starts at Gaussian noise, with the mixture as its condition.

Forward (Ho, Jain and Abbeel 2020, arXiv 2006.11239), on x(0), the counterfactual's compressed spectrum:
    x(t) = sqrt(abar(t)) x(0) + sqrt(1 - abar(t)) n,        n ~ complex noise
with the linear schedule of that paper or the cosine one of Nichol and Dhariwal 2021 (arXiv 2102.09672). The network's output is
one of
    data      masks on the mixture, which leave the counterfactual
    epsilon   the noise n
    velocity  v = sqrt(abar) n - sqrt(1 - abar) x(0)  (Salimans and Ho 2022, arXiv 2202.00512)
Backward by diffusers' DDPM or DPM-Solver++ (arXiv 2211.01095), or by DDIM (arXiv 2010.02502; diffusers' own ends with noise left
where the steps do not divide the times), from noise, or shallow: from the mixture with the noise of a later time. With guidance w
(Ho and Salimans 2022, arXiv 2207.12598) an output is blind + w (seeing - blind), where blind is what the network says without the
condition, which training hides from it now and then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from unsung.errors import UserError
from unsung.models.networks.base import Mixture, State, Time
from unsung.models.processes.base import Draws, Network, Shown, masked, noise_like
from unsung.spectrum import compress

Sampler = Literal["ddpm", "ddim", "dpmsolver++"]
Step = Callable[[State, int, State], State]  # what the network put out at t, t, x(t) -> x at the time before
EXPONENT = 0.5  # of the spectrum that is diffused
KINDS = {"data": "sample", "epsilon": "epsilon", "velocity": "v_prediction"}  # as diffusers calls them
LEAST_ABAR = 1e-4  # where sampling begins when noise is predicted: below, an error in it is blown up into one of x(0)
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}


@dataclass(frozen=True)
class Ddpm:
    """The process as a Separator uses it; its knobs are `processes.ddpm.forward` in params.yaml."""

    schedule: Literal["linear", "cosine"]
    times: int
    prediction: Literal["data", "epsilon", "velocity"]
    scale: float
    hidden: float
    has_state = True
    one_call = False

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> Shown:
        """A noisy state at a random time; the mixture, or for a share `hidden` of the items nothing."""
        draws = torch.stack([torch.rand(2, generator=rng, device=rng.device) for rng in rngs])
        t = (draws[:, 0] * self.times).long().clamp(max=self.times - 1)
        x0, noise = self.diffused(a), gaussian(a, rngs)
        x = marginal(x0, noise, self.abar.to(t.device)[t])
        seen = y * (draws[:, 1] >= self.hidden).view(-1, 1, 1, 1)
        goal = {"data": None, "epsilon": noise, "velocity": velocity(x0, noise, self.abar.to(t.device)[t])}[self.prediction]
        return Shown(self.undiffused(x), seen, self.share(t), goal)

    def sample(
        self,
        network: Network,
        y: Mixture,
        targets: int,
        rngs: Sequence[Generator],
        steps: int = 20,
        samples: int = 1,
        sampler: Sampler = "ddim",
        eta: float = 0.0,
        guidance: float = 1.0,
        start: float = 1.0,
    ) -> Draws:
        """`samples` counterfactuals, each in `steps` calls, or twice as many with guidance other than 1.

        `start` below 1 begins at that share of the times, from the mixture with the noise of there.
        """
        found = [self._sample(network, y, targets, rngs, steps, sampler, eta, guidance, start) for _ in range(samples)]
        return torch.stack(found)

    def _sample(
        self,
        network: Network,
        y: Mixture,
        targets: int,
        rngs: Sequence[Generator],
        steps: int,
        sampler: Sampler,
        eta: float,
        guidance: float,
        start: float,
    ) -> State:
        whole = self.diffused(y.unsqueeze(1).expand(-1, targets, -1, -1, -1))
        times = self.times_of(steps, start)
        noise = gaussian(whole, rngs)
        x = noise if start == 1 else marginal(whole, noise, self.abar[times[:1]].to(y.device).expand(len(y)))
        step = self._ddim(times, eta, rngs) if sampler == "ddim" else self._diffusers(sampler, times, rngs)
        for t in times:
            out = self._guided(network, x, y, self.share(torch.full((len(y),), t, device=y.device)), guidance)
            x = step(out, t, x)
        return self.undiffused(x)

    def times_of(self, steps: int, start: float) -> list[int]:
        """The times of the calls, even from `start` down to 0, the first as late as it can be.

        Raises:
            UserError: there are fewer times than steps.
        """
        usable = int((self.abar >= LEAST_ABAR).sum()) if self.prediction == "epsilon" else self.times
        top = round(start * usable)
        if steps > top:
            raise UserError(f"ddpm has {top} times to sample at, not {steps}; take fewer steps, or start earlier")
        return [round(top * (1 - number / steps)) - 1 for number in range(steps)]

    def _ddim(self, times: Sequence[int], eta: float, rngs: Sequence[Generator]) -> Step:
        earlier = dict(zip(times, [*times[1:], None], strict=True))
        abar = self.abar.tolist()

        def step(out: State, t: int, x: State) -> State:
            x0, noise = split(out, x, abar[t], self.prediction)
            s = earlier[t]
            return x0 if s is None else ddim(x0, noise, abar[t], abar[s], eta, rngs)

        return step

    def _diffusers(self, sampler: Sampler, times: Sequence[int], rngs: Sequence[Generator]) -> Step:
        scheduler = self.scheduler(sampler)
        scheduler.set_timesteps(timesteps=list(times))
        options = {"generator": list(rngs)} if sampler == "ddpm" else {}

        def step(out: State, t: int, x: State) -> State:
            found = scheduler.step(torch.view_as_real(out), torch.tensor(t), torch.view_as_real(x), **options)
            return torch.view_as_complex(found.prev_sample.contiguous())

        return step

    def _guided(self, network: Network, x: State, y: Mixture, time: Time, guidance: float) -> State:
        """What the scheduler is told: x(0), the noise or the velocity."""
        state = self.undiffused(x)

        def say(seen: Mixture) -> State:
            out = network(state, seen, time)
            return self.diffused(masked(out, y)) if self.prediction == "data" else out

        seeing = say(y)
        if guidance == 1:
            return seeing
        blind = say(torch.zeros_like(y))
        return blind + guidance * (seeing - blind)

    def diffused(self, spectrum: State) -> State:
        """A spectrum as it is diffused: compressed, and scaled to about unit power."""
        return self.scale * compress(spectrum, EXPONENT)

    def undiffused(self, x: State) -> State:
        """The way back; networks see states like this, for they compress what they see themselves."""
        x = x / self.scale
        return x * x.abs() ** (1 / EXPONENT - 1)

    def share(self, t: Tensor) -> Time:
        """A time as networks know it, from 0 to 1."""
        return t.float() / (self.times - 1)

    @cached_property
    def abar(self) -> Tensor:
        """How much of x(0)'s power is left at each time."""
        found: Tensor = self.scheduler("ddpm").alphas_cumprod
        return found

    def scheduler(self, sampler: Sampler) -> Any:
        """diffusers' scheduler of this name with this process's schedule."""
        from diffusers import DDPMScheduler, DPMSolverMultistepScheduler  # here: they take seconds to import

        kinds = {"ddpm": DDPMScheduler, "dpmsolver++": DPMSolverMultistepScheduler}
        settings: dict[str, Any] = {
            "num_train_timesteps": self.times,
            "beta_schedule": SCHEDULES[self.schedule],
            "beta_start": 1e-4 * 1000 / self.times,  # as for a thousand times, whatever their number
            "beta_end": min(0.999, 2e-2 * 1000 / self.times),
            "prediction_type": KINDS[self.prediction],
        }
        if sampler == "ddpm":
            settings["clip_sample"] = False
        return kinds[sampler](**settings)


def gaussian(like: State, rngs: Sequence[Generator]) -> State:
    """Noise whose real and imaginary parts each have unit variance, as diffusers draws it."""
    return noise_like(like, rngs) * 2**0.5


def marginal(x0: State, noise: State, abar: Tensor) -> State:
    """x(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def split(out: State, x: State, abar: float, prediction: str) -> tuple[State, State]:
    """x(0) and the noise in x(t), as the network's output has them."""
    signal, rest = abar**0.5, (1 - abar) ** 0.5
    if prediction == "velocity":
        return signal * x - rest * out, signal * out + rest * x
    if prediction == "epsilon":
        return (x - rest * out) / signal, out
    return out, (x - signal * out) / rest


def ddim(x0: State, noise: State, abar: float, earlier: float, eta: float, rngs: Sequence[Generator]) -> State:
    """x(s) before x(t), `earlier` being its abar; with eta some of the noise is new (arXiv 2010.02502, equations 12 and 16)."""
    sigma = eta * ((1 - earlier) / (1 - abar)) ** 0.5 * (1 - abar / earlier) ** 0.5
    kept = max(0.0, 1 - earlier - sigma**2) ** 0.5  # rounding
    x = earlier**0.5 * x0 + kept * noise
    return x + sigma * gaussian(x0, rngs) if eta else x


def velocity(x0: State, noise: State, abar: Tensor) -> State:
    """v(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0
