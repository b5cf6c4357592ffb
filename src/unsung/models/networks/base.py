"""What all networks share: what they are told about the spectra, the types of what goes in and out, masks.

A network turns an image of real numbers into another. `MaskNetwork` makes the one out of spectra and masks out of the other, on real
and imaginary parts as a last axis: ONNX and half precision have no complex numbers. `forward` is the same for complex spectra.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.utils import checkpoint

from unsung.config.section import MaskKind, NetworkSettings
from unsung.spectrum import compress_parts

State = Complex[Tensor, "batch target channel freq frame"]
Mixture = Complex[Tensor, "batch channel freq frame"]
Time = Float[Tensor, " batch"]
Masks = Complex[Tensor, "batch target channel freq frame"]
Image = Float[Tensor, "batch input freq frame"]
Output = Float[Tensor, "batch output freq frame"]
TIME_FEATURES = 64  # numbers that describe a time


@dataclass(frozen=True)
class Shape:
    """Targets, channels and frequencies of the spectra, and whether there is a state beside the mixture."""

    targets: int
    channels: int
    freqs: int
    sample_rate: int  # Hz
    state: bool

    @property
    def inputs(self) -> int:
        """Real numbers that come in for each frequency and frame: those of the mixture and of the state."""
        return 2 * self.channels * (1 + self.targets * self.state)

    def outputs(self, mask: MaskKind) -> int:
        """Real numbers that go out for each frequency and frame: those of the masks."""
        return self.targets * self.channels * (2 if mask == "complex" else 1)


class MaskNetwork(nn.Module):
    """A network on spectra, around `image`, which each of them has."""

    def __init__(self, shape: Shape, settings: NetworkSettings) -> None:
        super().__init__()
        self.shape, self.exponent, self.mask = shape, settings.exponent, settings.mask
        self.gradient_checkpointing = settings.gradient_checkpointing

    def forward(self, state: State | None, mixture: Mixture, time: Time | None) -> Masks:
        """Masks for every target; `state` and `time` are None for a process without them."""
        spectra = mixture if state is None else torch.cat([mixture, state.flatten(1, 2)], dim=1)
        return torch.view_as_complex(self.masks(torch.view_as_real(spectra), time).contiguous())

    def masks(
        self, spectra: Float[Tensor, "batch line freq frame 2"], time: Time | None
    ) -> Float[Tensor, "batch target channel freq frame 2"]:
        """The same in real numbers; a line is a channel of the mixture or, after these, of a target's state."""
        image = rearrange(compress_parts(spectra, self.exponent), "b line f t part -> b (line part) f t")
        output = self.image(image.contiguous(), time).float()  # a view would drag its order of axes through all layers
        if self.mask == "magnitude":  # a share of the magnitude from 0 to 1, with the mixture's phase
            share = rearrange(output.sigmoid(), "b (target c) f t -> b target c f t", target=self.shape.targets)
            return torch.stack([share, torch.zeros_like(share)], dim=-1)
        return rearrange(output, "b (target c part) f t -> b target c f t part", target=self.shape.targets, part=2)

    def image(self, image: Image, time: Time | None) -> Output:
        """`shape.inputs` compressed real and imaginary parts in, `shape.outputs(mask)` numbers out."""
        raise NotImplementedError

    def run(self, level: nn.Module, *inputs: Tensor | None) -> Tensor:
        """A part of the network; with gradient checkpointing, training computes its activations again instead of keeping them."""
        if self.gradient_checkpointing and self.training:
            output: Tensor = checkpoint.checkpoint(level, *inputs, use_reentrant=False)
            return output
        return level(*inputs)  # type: ignore[no-any-return]


@runtime_checkable
class NetworkModule(Protocol):
    """What a network's module offers."""

    Settings: type[NetworkSettings]
    Network: Callable[[Shape, NetworkSettings], MaskNetwork]


def embed(time: Time, size: int = TIME_FEATURES) -> Float[Tensor, "batch {size}"]:
    """Sines and cosines of a time from 0 to 1 at rising rates."""
    rates = torch.exp(torch.linspace(0, math.log(200), size // 2, device=time.device))
    angles = time[:, None] * rates * 2 * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def padded(image: Image, freqs: int, frames: int) -> Float[Tensor, "batch input more longer"]:
    """Filled up with zeros to multiples of `freqs` and `frames`."""
    return nn.functional.pad(image, (0, -image.shape[-1] % frames, 0, -image.shape[-2] % freqs))
