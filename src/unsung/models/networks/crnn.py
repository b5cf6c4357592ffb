"""crnn: a convolutional encoder, a bidirectional GRU over the frames, a decoder with skips.

After Tan and Wang 2018 (doi:10.21437/Interspeech.2018-1405). Every convolution halves the
frequencies and keeps the frames; each transposed one also sees the output of its counterpart.
"""

import torch
from einops import rearrange
from torch import nn

from unsung.config.section import NetworkSettings, Number, Size, Sizes
from unsung.models.networks.base import TIME_FEATURES, Image, MaskNetwork, Output, Shape, Time, embed, padded


class Settings(NetworkSettings):
    """`networks.crnn` in params.yaml."""

    widths: Sizes
    hidden_size: Size
    layers: Number


class Network(MaskNetwork):
    """The network."""

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        widths, hidden = settings.widths, settings.hidden_size
        self.size = 2 ** len(widths)
        ins = [shape.inputs, *widths[:-1]]
        self.down = nn.ModuleList(step(nn.Conv2d(a, b, (4, 3), (2, 1), (1, 1)), b) for a, b in zip(ins, widths, strict=True))
        self.freqs = -(-shape.freqs // self.size)  # at the bottom
        bottom = widths[-1] * self.freqs
        self.time = nn.Linear(TIME_FEATURES, hidden)
        self.into = nn.Linear(bottom, hidden)
        self.recurrence = nn.GRU(hidden, hidden, settings.layers, batch_first=True, bidirectional=True)
        self.back = nn.Linear(2 * hidden, bottom)
        outs = [widths[0], *widths[:-1]]
        self.up = nn.ModuleList(
            step(nn.ConvTranspose2d(2 * b, a, (4, 3), (2, 1), (1, 1)), a) for a, b in zip(outs, widths, strict=True)
        )
        self.last = nn.Conv2d(widths[0], shape.outputs(self.mask), 1)

    def image(self, image: Image, time: Time | None) -> Output:
        """See MaskNetwork."""
        x, skips = padded(image, self.size, 1), []
        for layer in self.down:
            x = self.run(layer, x)
            skips.append(x)
        tokens = self.into(rearrange(x, "b c f t -> b t (c f)"))
        if time is not None:
            tokens = tokens + self.time(embed(time)).unsqueeze(1)
        x = rearrange(self.back(self.recurrence(tokens)[0]), "b t (c f) -> b c f t", f=self.freqs)
        for layer, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = self.run(layer, torch.cat([x, skip], dim=1))
        return self.last(x)[..., : self.shape.freqs, :]


def step(convolution: nn.Module, width: int) -> nn.Module:
    """A convolution, normalisation over each segment, and an activation."""
    return nn.Sequential(convolution, nn.GroupNorm(1, width), nn.ELU())
