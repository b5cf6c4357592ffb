"""What every network is told about the spectra it works on, the types of what goes in and out, and what they share."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor

from unsung.spectrum import compress

State = Complex[Tensor, "batch target channel freq frame"]
Mixture = Complex[Tensor, "batch channel freq frame"]
Time = Float[Tensor, " batch"]
Masks = Complex[Tensor, "batch target channel freq frame"]
MaskKind = Literal["complex", "magnitude"]


@dataclass(frozen=True)
class Shape:
    """Targets, channels and frequencies of the spectra, and whether there is a state beside the mixture."""

    targets: int
    channels: int
    freqs: int
    sample_rate: int  # Hz
    state: bool

    @property
    def parts(self) -> int:
        """Real numbers that come in for each frequency and frame: those of the mixture and of the state."""
        return 2 * self.channels * (1 + self.targets * self.state)

    def outs(self, kind: MaskKind) -> int:
        """Real numbers that go out for each frequency and frame: those of the masks."""
        return self.targets * self.channels * (2 if kind == "complex" else 1)


def seen(state: State | None, mixture: Mixture, exponent: float) -> Float[Tensor, "batch part freq frame"]:
    """Real and imaginary parts of the mixture, and of the state if there is one, with magnitudes to the power of `exponent`."""
    both = mixture if state is None else torch.cat([mixture, state.flatten(1, 2)], dim=1)
    return rearrange(torch.view_as_real(compress(both, exponent)), "b c f t part -> b (c part) f t")


def masks(image: Float[Tensor, "batch out freq frame"], shape: Shape, kind: MaskKind) -> Masks:
    """Masks out of an image: complex numbers, or a share of the magnitude from 0 to 1 that keeps the mixture's phase."""
    image = image.float()  # there are no complex numbers of half precision
    if kind == "complex":
        parts = rearrange(image, "b (target c part) f t -> b target c f t part", target=shape.targets, part=2)
        return torch.view_as_complex(parts.contiguous())
    share = rearrange(image.sigmoid(), "b (target c) f t -> b target c f t", target=shape.targets)
    return torch.complex(share, torch.zeros_like(share))


def embed(time: Time, size: int) -> Float[Tensor, "batch {size}"]:
    """Sines and cosines of a time from 0 to 1 at rising rates."""
    rates = torch.exp(torch.linspace(0, math.log(200), size // 2, device=time.device))
    angles = time[:, None] * rates * 2 * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def padded(image: Float[Tensor, "batch part freq frame"], freqs: int, frames: int) -> Float[Tensor, "batch part more longer"]:
    """Filled up with zeros to multiples of `freqs` and `frames`."""
    return torch.nn.functional.pad(image, (0, -image.shape[-1] % frames, 0, -image.shape[-2] % freqs))
