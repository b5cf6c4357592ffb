"""What networks share: the shape of the spectra, the types of inputs and outputs, masks.

A network maps one real-valued image to another. `MaskNetwork` turns spectra into that image and
the result into masks. Real and imaginary parts are a last axis, because ONNX and half precision
have no complex numbers; `forward` takes and gives complex ones.
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
States = Complex[Tensor, "batch state channel freq frame"]  # one or more of each target
Mixture = Complex[Tensor, "batch channel freq frame"]
Time = Float[Tensor, " batch"]
Masks = Complex[Tensor, "batch target channel freq frame"]
Image = Float[Tensor, "batch input freq frame"]
Output = Float[Tensor, "batch output freq frame"]
TIME_FEATURES = 64  # numbers that describe a time


@dataclass(frozen=True)
class Shape:
    """The sizes of the spectra, and how many states the network sees beside the mixture."""

    targets: int
    channels: int
    freqs: int
    sample_rate: int  # Hz
    states: int = 0  # spectra of each target beside the mixture

    @property
    def inputs(self) -> int:
        """Real numbers per frequency and frame of the input: mixture and states."""
        return 2 * self.channels * (1 + self.targets * self.states)

    def outputs(self, mask: MaskKind) -> int:
        """Real numbers per frequency and frame of the output: the masks."""
        return self.targets * self.channels * (2 if mask == "complex" else 1)


class MaskNetwork(nn.Module):
    """From spectra to masks; each network implements `image`."""

    def __init__(self, shape: Shape, settings: NetworkSettings) -> None:
        super().__init__()
        self.shape, self.exponent, self.mask = shape, settings.exponent, settings.mask
        self.gradient_checkpointing = settings.gradient_checkpointing

    def forward(self, state: States | None, mixture: Mixture, time: Time | None) -> Masks:
        """Masks for every target; `state` and `time` are None for a process without them."""
        spectra = mixture if state is None else torch.cat([mixture, state.flatten(1, 2)], dim=1)
        return torch.view_as_complex(self.masks(torch.view_as_real(spectra), time).contiguous())

    def masks(
        self, spectra: Float[Tensor, "batch line freq frame 2"], time: Time | None
    ) -> Float[Tensor, "batch target channel freq frame 2"]:
        """`forward` in real numbers; lines are the channels of the mixture, then of each state."""
        image = rearrange(compress_parts(spectra, self.exponent), "b line f t part -> b (line part) f t")
        output = self.image(image.contiguous(), time).float()  # a view would slow down all layers
        if self.mask == "magnitude":  # from 0 to 1, with the mixture's phase
            share = rearrange(output.sigmoid(), "b (target c) f t -> b target c f t", target=self.shape.targets)
            return torch.stack([share, torch.zeros_like(share)], dim=-1)
        return rearrange(output, "b (target c part) f t -> b target c f t part", target=self.shape.targets, part=2)

    def image(self, image: Image, time: Time | None) -> Output:
        """From `shape.inputs` compressed parts to `shape.outputs(mask)` numbers."""
        raise NotImplementedError

    def run(self, level: nn.Module, *inputs: Tensor | None) -> Tensor:
        """Run a part of the network, with gradient checkpointing if the settings ask for it."""
        if self.gradient_checkpointing and self.training:
            return checkpoint.checkpoint(level, *inputs, use_reentrant=False)
        return level(*inputs)


@runtime_checkable
class NetworkModule(Protocol):
    """What the module of a network has to offer."""

    Settings: type[NetworkSettings]
    Network: Callable[[Shape, NetworkSettings], MaskNetwork]


def embed(time: Time, size: int = TIME_FEATURES) -> Float[Tensor, "batch {size}"]:
    """Sinusoidal embedding of a time from 0 to 1."""
    rates = torch.exp(torch.linspace(0, math.log(200), size // 2, device=time.device))
    angles = time[:, None] * rates * 2 * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def padded(image: Image, freqs: int, frames: int) -> Float[Tensor, "batch input more longer"]:
    """Pad the image with zeros to multiples of `freqs` and `frames`."""
    return nn.functional.pad(image, (0, -image.shape[-1] % frames, 0, -image.shape[-2] % freqs))
