"""crnn: four convolutions that compress the frequencies, a bidirectional GRU over the frames, and the way back with skips.

A convolutional recurrent network as in Tan and Wang 2018 (doi:10.21437/Interspeech.2018-1405): frames stay as they are, every
convolution halves the frequencies, and each transposed one sees the output of the convolution it undoes.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn

from unsung.models.networks.base import Image, MaskKind, MaskNetwork, Out, Shape, Time, embed, padded

EMBEDDING = 64  # numbers that describe a time


class Crnn(MaskNetwork):
    """The network; its knobs are `networks.crnn` in params.yaml."""

    def __init__(self, shape: Shape, widths: Sequence[int], hidden: int, layers: int, exponent: float, mask: MaskKind) -> None:
        super().__init__(shape, exponent, mask)
        self.size = 2 ** len(widths)
        ins = [shape.parts, *widths[:-1]]
        self.down = nn.ModuleList(step(nn.Conv2d(a, b, (4, 3), (2, 1), (1, 1)), b) for a, b in zip(ins, widths, strict=True))
        self.freqs = -(-shape.freqs // self.size)  # that are left at the bottom
        bottom = widths[-1] * self.freqs
        self.time = nn.Linear(EMBEDDING, hidden)
        self.into = nn.Linear(bottom, hidden)
        self.recurrence = nn.GRU(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.back = nn.Linear(2 * hidden, bottom)
        outs = [widths[0], *widths[:-1]]
        self.up = nn.ModuleList(
            step(nn.ConvTranspose2d(2 * b, a, (4, 3), (2, 1), (1, 1)), a) for a, b in zip(outs, widths, strict=True)
        )
        self.last = nn.Conv2d(widths[0], shape.outs(mask), 1)

    def image(self, image: Image, time: Time | None) -> Out:
        """See MaskNetwork."""
        x, skips = padded(image, self.size, 1), []
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        tokens = self.into(rearrange(x, "b c f t -> b t (c f)"))
        if time is not None:
            tokens = tokens + self.time(embed(time, EMBEDDING)).unsqueeze(1)
        x = rearrange(self.back(self.recurrence(tokens)[0]), "b t (c f) -> b c f t", f=self.freqs)
        for layer, skip in zip(reversed(self.up), reversed(skips), strict=True):
            x = layer(torch.cat([x, skip], dim=1))
        return self.last(x)[..., : self.shape.freqs, :]


def step(convolution: nn.Module, width: int) -> nn.Module:
    """A convolution, normalised over each segment, and a bend."""
    return nn.Sequential(convolution, nn.GroupNorm(1, width), nn.ELU())
