"""ddpm: the diffusion that starts at Gaussian noise, with the mixture as its condition.

Forward (Ho, Jain and Abbeel 2020, arXiv 2006.11239), on x(0), the counterfactual's compressed spectrum:
    x(t) = sqrt(abar(t)) x(0) + sqrt(1 - abar(t)) n,        n ~ complex noise
with the linear schedule of that paper or the cosine one of Nichol and Dhariwal 2021 (arXiv 2102.09672). The network's output is
one of
    data      masks on the mixture, which leave the counterfactual
    epsilon   the noise n
    velocity  v = sqrt(abar) n - sqrt(1 - abar) x(0)  (Salimans and Ho 2022, arXiv 2202.00512)
Backward by diffusers' DDPM, DDIM (arXiv 2010.02502) or DPM-Solver++ (arXiv 2211.01095), from noise, or shallow: from the mixture
with the noise of a later time. With guidance w (Ho and Salimans 2022, arXiv 2207.12598) an output is blind + w (seeing - blind),
where blind is what the network says without the condition, which training hides from it now and then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from unsung.models.networks.shape import Mixture, State, Time
from unsung.models.processes.shown import Network, Samples, Shown, masked, noise_like
from unsung.spectrum import compress

Sampler = Literal["ddpm", "ddim", "dpmsolver++"]
EXPONENT = 0.5  # of the spectrum that is diffused
KINDS = {"data": "sample", "epsilon": "epsilon", "velocity": "v_prediction"}  # as diffusers calls them
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
    ) -> Samples:
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
        scheduler = self.scheduler(sampler)
        scheduler.set_timesteps(max(steps, round(steps / start)))
        times = scheduler.timesteps[-steps:]
        noise = gaussian(whole, rngs)
        x = noise if start == 1 else marginal(whole, noise, self.abar.to(y.device)[times[:1].to(y.device)].expand(len(y)))
        draws = {"generator": list(rngs)}
        options: dict[str, dict[str, Any]] = {"ddpm": draws, "ddim": {**draws, "eta": eta}, "dpmsolver++": {}}
        for t in times:
            out = self._guided(network, x, y, self.share(t.to(y.device).expand(len(y))), guidance)
            x = torch.view_as_complex(
                scheduler.step(torch.view_as_real(out), t, torch.view_as_real(x), **options[sampler]).prev_sample.contiguous()
            )
        return self.undiffused(x)

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
        from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler  # here: they take seconds to import

        kinds = {"ddpm": DDPMScheduler, "ddim": DDIMScheduler, "dpmsolver++": DPMSolverMultistepScheduler}
        settings: dict[str, Any] = {
            "num_train_timesteps": self.times,
            "beta_schedule": SCHEDULES[self.schedule],
            "beta_start": 1e-4 * 1000 / self.times,  # as for a thousand times, whatever their number
            "beta_end": min(0.999, 2e-2 * 1000 / self.times),
            "prediction_type": KINDS[self.prediction],
            "timestep_spacing": "trailing",
        }
        if sampler != "dpmsolver++":
            settings["clip_sample"] = False
        return kinds[sampler](**settings)


def gaussian(like: State, rngs: Sequence[Generator]) -> State:
    """Noise whose real and imaginary parts each have unit variance, as diffusers draws it."""
    return noise_like(like, rngs) * 2**0.5


def marginal(x0: State, noise: State, abar: Tensor) -> State:
    """x(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * x0 + (1 - abar).sqrt() * noise


def velocity(x0: State, noise: State, abar: Tensor) -> State:
    """v(t) for the noise n."""
    abar = abar.view(-1, 1, 1, 1, 1)
    return abar.sqrt() * noise - (1 - abar).sqrt() * x0
