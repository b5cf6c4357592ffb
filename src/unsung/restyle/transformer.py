"""MusicTransformer: log-mels of a song in, a gate on them and what is added out.

Two Conv1d, the second with stride 2, then a pre-norm transformer encoder (Vaswani et al. 2017,
arXiv 1706.03762), as in the fifth reference of the project. Positions are sinusoids made from the
length, so no length is too long. The gate alone could be an EQ at best; bells must be added.
"""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from unsung.config.section import Section, Size
from unsung.restyle.mel import LogMel

Image = Float[Tensor, "batch channel frame"]  # normalised log-mels, or other features
Mels = Float[Tensor, "batch band frame"]  # normalised log-mels
Times = Float[Tensor, " batch"]
CENTRE, SPREAD = -6.0, 3.0  # of the log-mels of songs, about


class Settings(Section):
    """`model.network` of restyle/params.yaml."""

    dim: Size
    layers: Annotated[int, Field(ge=1, le=48)]
    heads: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _heads_share_the_dim(self) -> "Settings":
        if self.dim % self.heads or self.dim % 2:
            raise ValueError("dim must be even and a multiple of heads")
        return self


class MusicTransformer(nn.Module):
    """The network: an image of a song in, normalised log-mels in another style out.

    If the image begins with the song's own log-mels (`gated`), the output is a gated part of them
    and what is added. A network with a state sees that too, and the time of the process.
    """

    def __init__(self, channels: int, bands: int, gated: bool, has_state: bool, settings: Settings) -> None:
        super().__init__()
        dim = settings.dim
        self.dim, self.bands, self.has_state = dim, bands, has_state
        self.first = nn.Conv1d(channels + bands * has_state, dim, 3, padding=1)
        self.second = nn.Conv1d(dim, dim, 3, stride=2, padding=1)
        self.time = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim)) if has_state else None
        layer = nn.TransformerEncoderLayer(
            dim, settings.heads, 4 * dim, settings.dropout, functional.gelu, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, settings.layers, nn.LayerNorm(dim), enable_nested_tensor=False)
        self.up = nn.Linear(dim, 2 * dim)  # two frames of each
        self.gate = nn.Conv1d(dim, bands, 3, padding=1) if gated else None
        self.added = nn.Conv1d(dim, bands, 3, padding=1)

    def forward(self, image: Image, state: Mels | None = None, time: Times | None = None) -> Mels:
        """(batch, bands, frame), as many frames as the image has."""
        local = functional.gelu(self.first(image if state is None else torch.cat([image, state], dim=1)))
        tokens = functional.gelu(self.second(local)).transpose(1, 2)
        tokens = tokens + sinusoids(torch.arange(tokens.shape[1], device=image.device), self.dim)
        if self.time is not None:
            assert time is not None
            tokens = tokens + self.time(sinusoids(1000 * time, self.dim))[:, None]
        wide = self.up(self.encoder(tokens)).unflatten(2, (2, self.dim)).flatten(1, 2)
        features = functional.gelu(wide.transpose(1, 2)[..., : image.shape[-1]] + local)
        added = self.added(features)
        if self.gate is None:
            return added
        kept = log_mel(image[:, : self.bands]) + functional.logsigmoid(self.gate(features))
        return normalised(torch.logaddexp(kept, log_mel(added)))


def normalised(mel: LogMel) -> LogMel:
    """Log-mels around 0, with a spread of about 1."""
    return (mel - CENTRE) / SPREAD


def log_mel(image: LogMel) -> LogMel:
    """The inverse of `normalised`."""
    return CENTRE + SPREAD * image


def sinusoids(places: Float[Tensor, " place"] | Tensor, dim: int) -> Float[Tensor, "place dim"]:
    """Sines and cosines of places at `dim` / 2 rates, as in Vaswani et al. 2017, section 3.5."""
    rates = torch.exp(torch.arange(0, dim, 2, device=places.device) * (-math.log(10_000) / dim))
    angles = places[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
