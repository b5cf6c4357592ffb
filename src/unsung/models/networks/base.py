"""What every network is told about the spectra it works on, the types of what goes in and out, and what they share.

A network turns an image of real numbers into another: `MaskNetwork` makes the one out of spectra and masks out of the other, so
that what lies between knows no complex numbers (ONNX has none, half precision neither).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.utils import checkpoint as checkpointing

from unsung.spectrum import compress

State = Complex[Tensor, "batch target channel freq frame"]
Mixture = Complex[Tensor, "batch channel freq frame"]
Time = Float[Tensor, " batch"]
Masks = Complex[Tensor, "batch target channel freq frame"]
MaskKind = Literal["complex", "magnitude"]
Image = Float[Tensor, "batch part freq frame"]
Out = Float[Tensor, "batch out freq frame"]
Plane = Float[Tensor, "batch target channel freq frame"]


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


class MaskNetwork(nn.Module):
    """A network on spectra, around `image`, which each of them has."""

    def __init__(self, shape: Shape, exponent: float, mask: MaskKind, checkpoint: bool = False) -> None:
        super().__init__()
        self.shape, self.exponent, self.mask, self.checkpoint = shape, exponent, mask, checkpoint

    def forward(self, state: State | None, mixture: Mixture, time: Time | None) -> Masks:
        """Masks for every target; `state` and `time` are None for a process without them."""
        both = mixture if state is None else torch.cat([mixture, state.flatten(1, 2)], dim=1)
        image = rearrange(torch.view_as_real(compress(both, self.exponent)), "b c f t part -> b (c part) f t")
        real, imaginary = self.masks(self.image(image.contiguous(), time))  # a view would drag its order of axes through all layers
        return torch.complex(real, torch.zeros_like(real) if imaginary is None else imaginary)

    def image(self, image: Image, time: Time | None) -> Out:
        """`shape.parts` compressed real and imaginary parts in, `shape.outs(mask)` numbers out, for each frequency and frame."""
        raise NotImplementedError

    def masks(self, image: Out) -> tuple[Plane, Plane | None]:
        """Real and imaginary parts of the masks, or a share of the magnitude from 0 to 1 that keeps the mixture's phase."""
        image = image.float()  # there are no complex numbers of half precision
        if self.mask == "magnitude":
            return rearrange(image.sigmoid(), "b (target c) f t -> b target c f t", target=self.shape.targets), None
        split = rearrange(image, "b (target c part) f t -> part b target c f t", target=self.shape.targets, part=2)
        return split[0], split[1]

    def run(self, level: nn.Module, *inputs: Tensor | None) -> Tensor:
        """A part of the network; with `checkpoint`, training makes its activations anew instead of keeping them."""
        if self.checkpoint and self.training:
            found: Tensor = checkpointing.checkpoint(level, *inputs, use_reentrant=False)
            return found
        return level(*inputs)  # type: ignore[no-any-return]


def embed(time: Time, size: int) -> Float[Tensor, "batch {size}"]:
    """Sines and cosines of a time from 0 to 1 at rising rates."""
    rates = torch.exp(torch.linspace(0, math.log(200), size // 2, device=time.device))
    angles = time[:, None] * rates * 2 * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def padded(image: Image, freqs: int, frames: int) -> Float[Tensor, "batch part more longer"]:
    """Filled up with zeros to multiples of `freqs` and `frames`."""
    return nn.functional.pad(image, (0, -image.shape[-1] % frames, 0, -image.shape[-2] % freqs))
