"""band_split: blocks over time and over frequency bands in turn, and a mask for each band.

After BSRNN (Luo and Yu 2023, arXiv 2209.15174), but smaller; with attention after BS-RoFormer (Lu
et al. 2023, arXiv 2309.02612). The bands are even on the ERB-rate scale. The time of the process
modulates every block, as in DiT (arXiv 2212.09748).
"""

import itertools
import math
from typing import Annotated, Literal

import torch
from einops import rearrange
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from unsung.config.section import NetworkSettings, Number, Size
from unsung.models.networks.base import TIME_FEATURES, Image, MaskNetwork, Output, Shape, Time, embed

HEAD = 32  # features of an attention head, where there are as many


class Settings(NetworkSettings):
    """`networks.band_split` in params.yaml."""

    dim: Size
    blocks: Number
    bands: Annotated[int, Field(ge=2, le=1024)]
    recurrence: Literal["lstm", "attention", "attention_over_bands"] = "lstm"  # models of before have LSTMs

    @model_validator(mode="after")
    def _heads_fit(self) -> "Settings":
        if self.recurrence != "lstm" and self.dim % (2 * _heads(self.dim)):
            raise ValueError(f"dim is {self.dim}; with attention it must be a multiple of {2 * _heads(self.dim)}")
        return self


class Network(MaskNetwork):
    """The network."""

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        dim = settings.dim
        self.widths = band_widths(shape.freqs, settings.bands, shape.sample_rate)
        self.into_bands = nn.ModuleList(nn.Linear(width * shape.inputs, dim) for width in self.widths)
        self.time = nn.Sequential(nn.Linear(TIME_FEATURES, dim), nn.SiLU())
        over_time = AttentionBlock if settings.recurrence == "attention" else Block
        over_bands = Block if settings.recurrence == "lstm" else AttentionBlock
        pairs = ((over_time(dim, "frames"), over_bands(dim, "bands")) for _ in range(settings.blocks))
        self.blocks = nn.ModuleList(itertools.chain.from_iterable(pairs))
        outs = shape.outputs(self.mask)
        self.into_masks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.Tanh(), nn.Linear(2 * dim, 2 * outs * width), nn.GLU())
            for width in self.widths
        )

    def image(self, image: Image, time: Time | None) -> Output:
        """See MaskNetwork."""
        tokens = self._tokens(image)
        condition = None if time is None else self.time(embed(time))
        for block in self.blocks:
            tokens = self.run(block, tokens, condition)
        return self._image(tokens)

    def _tokens(self, image: Image) -> Tensor:
        """(batch, frame, band, dim)"""
        parts = rearrange(image, "b part f t -> b t f part")
        bands = [normalised(part.flatten(2)) for part in parts.split(self.widths, dim=2)]
        return torch.stack([layer(band) for layer, band in zip(self.into_bands, bands, strict=True)], dim=2)

    def _image(self, tokens: Tensor) -> Output:
        masks = [layer(tokens[:, :, band]) for band, layer in enumerate(self.into_masks)]
        outs = self.shape.outputs(self.mask)
        return torch.cat([rearrange(mask, "b t (out f) -> b out f t", out=outs) for mask in masks], dim=2)


class Block(nn.Module):
    """A bidirectional LSTM along one axis of the tokens, with a residual connection."""

    def __init__(self, dim: int, axis: str) -> None:
        super().__init__()
        self.axis = axis
        self.norm = nn.LayerNorm(dim)
        self._along(dim)
        self.modulation = nn.Linear(dim, 3 * dim)  # scale, shift and gate
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def _along(self, dim: int) -> None:
        """Make what works along the axis."""
        self.recurrence = nn.LSTM(dim, dim, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * dim, dim)

    def along(self, lines: Tensor) -> Tensor:
        """Map lines of tokens, (line, place, dim)."""
        return self.out(self.recurrence(lines)[0])

    def forward(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """Map tokens (batch, frame, band, dim) to the same shape; `condition` is (batch, dim)."""
        seen = self.norm(tokens)
        gate: Tensor | float = 1.0
        if condition is not None:
            scale, shift, gate = self.modulation(condition)[:, None, None].chunk(3, dim=-1)
            seen, gate = seen * (1 + scale) + shift, 1 + gate
        lines = seen.transpose(1, 2) if self.axis == "frames" else seen
        update = self.along(lines.flatten(0, 1)).view(*lines.shape)
        return tokens + gate * (update.transpose(1, 2) if self.axis == "frames" else update)


class AttentionBlock(Block):
    """Rotary attention along one axis, then a perceptron; as many weights as the LSTM's block.

    The positions turn queries and keys (Su et al. 2021, arXiv 2104.09864), so a line may be longer
    than any that was trained on.
    """

    def _along(self, dim: int) -> None:
        self.heads = _heads(dim)
        self.inputs, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 7 * dim), nn.GELU(), nn.Linear(7 * dim, dim))

    def along(self, lines: Tensor) -> Tensor:
        """See Block."""
        parts = rearrange(self.inputs(lines), "line place (part head dim) -> part line head place dim", part=3, head=self.heads)
        heard = scaled_dot_product_attention(turned(parts[0]), turned(parts[1]), parts[2])
        update = self.out(rearrange(heard, "line head place dim -> line place (head dim)"))
        return update + self.perceptron(lines + update)


def turned(features: Tensor) -> Tensor:
    """Turn pairs of features (..., place, dim) by angles that grow with the place."""
    places, size = features.shape[-2:]
    rates = 10_000.0 ** -(torch.arange(0, size, 2, device=features.device) / size)
    angles = torch.arange(places, device=features.device)[:, None] * rates
    cosine, sine = angles.cos().to(features.dtype), angles.sin().to(features.dtype)
    one, other = features.chunk(2, dim=-1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], dim=-1)


def _heads(dim: int) -> int:
    return max(1, dim // HEAD)


def normalised(band: Tensor) -> Tensor:
    """Divide a band (batch, frame, part) by its root mean square over the whole segment."""
    return band / (band.square().mean(dim=(1, 2), keepdim=True) + 1e-5).sqrt()


def band_widths(freqs: int, bands: int, sample_rate: int) -> list[int]:
    """Widths (bins) of bands on the ERB-rate scale (doi:10.1016/0378-5955(90)90170-T, eq. 4)."""
    bands = min(bands, freqs)
    top = 21.4 * math.log10(1 + 0.00437 * sample_rate / 2)
    hertz = [(10 ** (top * band / bands / 21.4) - 1) / 0.00437 for band in range(1, bands + 1)]
    edges = [0]
    for band, edge in enumerate(hertz, start=1):
        nearest = round(edge / (sample_rate / 2) * freqs)
        edges.append(min(max(nearest, edges[-1] + 1), freqs - (bands - band)))
    edges[-1] = freqs
    return [high - low for low, high in itertools.pairwise(edges)]
