"""unet: the U-Net of denoising diffusion (Ho, Jain and Abbeel 2020, arXiv 2006.11239).

Residual blocks with group normalisation, modulated by the time; each level halves frequencies and
frames. The cost of the self-attention at the bottom grows with the square of the image there, so
long windows are expensive with fewer than four levels.
"""

import itertools
import math

import torch
from torch import Tensor, nn

from unsung.config.section import NetworkSettings, Number, Sizes
from unsung.models.networks.base import Image, MaskNetwork, Output, Shape, Time, embed, padded

TIME_FEATURES, CONDITION = 128, 512  # sizes of the time's embedding and of what it becomes


class Settings(NetworkSettings):
    """`networks.unet` in params.yaml."""

    widths: Sizes
    blocks: Number


class Network(MaskNetwork):
    """The network."""

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        widths, blocks = settings.widths, settings.blocks
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION), nn.SiLU())
        self.first = nn.Conv2d(shape.inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Level(before, width, blocks) for before, width in zip([widths[0], *widths], widths, strict=False))
        self.halve = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for width in widths[:-1])
        self.bottom = nn.ModuleList([Residual(widths[-1], widths[-1]), Attention(widths[-1]), Residual(widths[-1], widths[-1])])
        self.up = nn.ModuleList(Level(2 * width, width, blocks) for width in reversed(widths))
        self.widen = nn.ModuleList(nn.Conv2d(wide, narrow, 3, padding=1) for narrow, wide in itertools.pairwise(widths))
        self.last = nn.Sequential(normalised(widths[0]), nn.SiLU(), nn.Conv2d(widths[0], shape.outputs(self.mask), 3, padding=1))

    def image(self, image: Image, time: Time | None) -> Output:
        """See MaskNetwork."""
        freqs, frames = image.shape[-2:]
        size = 2 ** len(self.halve)
        time = torch.zeros(image.shape[0], device=image.device) if time is None else time  # so that all weights are used
        condition = self.time(embed(time, TIME_FEATURES))
        x, skips = self.first(padded(image, size, size)), []
        for number, level in enumerate(self.down):
            x = self.run(level, x, condition)
            skips.append(x)
            if number < len(self.halve):
                x = self.halve[number](x)
        first, attention, second = self.bottom
        x = second(attention(first(x, condition)), condition)
        for number, level in enumerate(self.up):
            x = self.run(level, torch.cat([x, skips[-1 - number]], dim=1), condition)
            if number < len(self.widen):
                x = self.widen[-1 - number](nn.functional.interpolate(x, scale_factor=2.0))
        return self.last(x)[..., :freqs, :frames]


class Level(nn.Module):
    """Residual blocks of one width."""

    def __init__(self, before: int, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Residual(before if block == 0 else width, width) for block in range(blocks))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (batch, before, freq, frame) to (batch, width, freq, frame)."""
        for block in self.blocks:
            x = block(x, condition)
        return x


class Residual(nn.Module):
    """Two convolutions with a residual connection, scaled and shifted by the time in between."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(normalised(before), nn.SiLU(), nn.Conv2d(before, width, 3, padding=1))
        self.modulation = nn.Linear(CONDITION, 2 * width)
        self.norm = normalised(width)
        self.second = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))
        self.around = nn.Identity() if before == width else nn.Conv2d(before, width, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (batch, before, freq, frame) to (batch, width, freq, frame)."""
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        return self.around(x) + self.second(self.norm(self.first(x)) * (1 + scale) + shift)


class Attention(nn.Module):
    """Self-attention over the whole image, with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, math.gcd(width, 4))
        self.norm = normalised(width)
        self.into = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, width, freq, frame) to the same shape."""
        parts = self.into(self.norm(x)).unflatten(1, (3, self.heads, -1)).flatten(4).transpose(-1, -2)  # batch 3 head width place
        query, key, value = (part.contiguous() for part in parts.unbind(1))  # strided tensors would get torch's slow kernel
        values = nn.functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(values.transpose(-1, -2).flatten(1, 2).unflatten(-1, x.shape[-2:]))


def normalised(width: int) -> nn.GroupNorm:
    """Group normalisation with as many groups, up to 32, as divide the width."""
    return nn.GroupNorm(max(groups for groups in range(1, 33) if width % groups == 0), width)
