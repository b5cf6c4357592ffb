"""tfswa_unet: a U-Net with shifted-window attention along time and along frequency.

After TFSWA-UNet (EURASIP Journal on Audio, Speech, and Music Processing 2025:39) and Swin (Liu et
al. 2021, arXiv 2103.14030). A token is a patch of the spectrum. It attends to its window only, so
memory grows linearly with the length. Between levels, two by two tokens become one.
"""

import itertools
from typing import Annotated

import torch
from einops import rearrange
from pydantic import Field, model_validator
from torch import Tensor, nn

from unsung.config.section import NetworkSettings, Number, Sizes
from unsung.models.networks.base import TIME_FEATURES, Image, MaskNetwork, Output, Shape, Time, embed, padded


class Settings(NetworkSettings):
    """`networks.tfswa_unet` in params.yaml."""

    dims: Sizes
    depths: tuple[Number, ...]
    heads: Sizes
    window: Annotated[int, Field(ge=2, le=1024)]
    patch: Annotated[int, Field(ge=1, le=256)]

    @model_validator(mode="after")
    def _levels_fit(self) -> "Settings":
        if not len(self.dims) == len(self.depths) == len(self.heads):
            raise ValueError("dims, depths and heads must have a value for each level")
        if any(dim % heads for dim, heads in zip(self.dims, self.heads, strict=True)):
            raise ValueError("each of dims must be a multiple of its heads")
        return self


class Network(MaskNetwork):
    """The network."""

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        dims, window, patch = settings.dims, settings.window, settings.patch
        self.size = patch * 2 ** (len(dims) - 1)
        self.into = nn.Conv2d(shape.inputs, dims[0], patch, stride=patch)
        rows = -(-shape.freqs // self.size) * self.size // patch
        self.rows = nn.Parameter(torch.zeros(dims[0], rows, 1))  # windows do not know their frequency
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, dims[0]), nn.SiLU())
        levels = list(zip(dims, settings.depths, settings.heads, strict=True))
        self.down = nn.ModuleList(Level(dim, depth, head, window, dims[0]) for dim, depth, head in levels)
        self.merge = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(dims))
        self.up = nn.ModuleList(Level(dim, depth, head, window, dims[0]) for dim, depth, head in levels[:-1])
        self.split = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in itertools.pairwise(dims))
        self.join = nn.ModuleList(nn.Conv2d(2 * dim, dim, 1) for dim in dims[:-1])
        self.out = nn.ConvTranspose2d(dims[0], shape.outputs(self.mask), patch, stride=patch)

    def image(self, image: Image, time: Time | None) -> Output:
        """See MaskNetwork."""
        freqs, frames = image.shape[-2:]
        condition = self.time(embed(torch.zeros(image.shape[0], device=image.device) if time is None else time))
        x, skips = self.into(padded(image, self.size, self.size)) + self.rows, []
        for number, level in enumerate(self.down):
            x = self.run(level, x, condition)
            if number < len(self.merge):
                skips.append(x)
                x = self.merge[number](x)
        for number in reversed(range(len(self.up))):
            x = self.join[number](torch.cat([self.split[number](x), skips[number]], dim=1))
            x = self.run(self.up[number], x, condition)
        return self.out(x)[..., :freqs, :frames]


class Level(nn.Module):
    """Blocks of one size; every second one has shifted windows."""

    def __init__(self, dim: int, depth: int, heads: int, window: int, condition: int) -> None:
        super().__init__()
        self.time = nn.Linear(condition, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, window, shift=window // 2 * (block % 2)) for block in range(depth))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (batch, dim, freq, frame) to the same shape."""
        tokens = rearrange(x, "b c f t -> b f t c") + self.time(condition)[:, None, None]
        for block in self.blocks:
            tokens = block(tokens)
        return rearrange(tokens, "b f t c -> b c f t")


class Block(nn.Module):
    """Attention along time, then along frequency, and an MLP, with residual connections."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.along_time, self.along_freq = (WindowAttention(dim, heads, window, shift) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (batch, freq, frame, dim) to the same shape."""
        tokens = tokens + self.along_time(self.norms[0](tokens))
        tokens = tokens + self.along_freq(self.norms[1](tokens).transpose(1, 2)).transpose(1, 2)
        return tokens + self.mlp(self.norms[2](tokens))


class WindowAttention(nn.Module):
    """Self-attention within windows, the first `shift` early, with a bias for each distance."""

    distance: Tensor

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.into, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * window - 1))
        places = torch.arange(window)
        self.register_buffer("distance", places[:, None] - places[None] + window - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, row, place, dim) to the same shape; rows do not see each other."""
        batch, rows, length, _ = x.shape
        filled = nn.functional.pad(x, (0, 0, self.shift, -(length + self.shift) % self.window))
        places = torch.arange(filled.shape[2], device=x.device) - self.shift
        inside = (places >= 0) & (places < length)
        parts = rearrange(self.into(filled), "b r (n w) (three h c) -> three (b r) n h w c", three=3, h=self.heads, w=self.window)
        distances = self.bias[:, self.distance][None].expand(inside.numel() // self.window, -1, -1, -1)
        bias = distances.masked_fill(~inside.view(-1, 1, 1, self.window), -torch.inf)  # window head place place
        query, key, value = parts.unbind(0)
        values = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        joined = rearrange(values, "(b r) n h w c -> b r (n w) (h c)", b=batch, r=rows)
        return self.out(joined[:, :, self.shift : self.shift + length])
