"""The loss of texture: how lively log-mels are, beside how near they are to the truth.

The network that is nearest to the truth on average says what is likely, and so less than any band
plays: its cepstra hardly move. Two terms ask for the truth's movement. `spread` compares it window
by window; `moments` compares its distribution within a batch (generative moment matching: Li,
Swersky and Zemel 2015, arXiv 1502.02761), because the first one alone leaves a bias.
"""

from functools import cache

import numpy as np
import scipy.fft
import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.mel import LogMel, Mel

SECONDS = 0.75  # of a window
COEFFICIENTS = 20  # of the cepstrum, without the first one, which is loudness
FLOOR = 1e-2  # of a variance
Windows = Float[Tensor, "batch coefficient window"]


def spread(found: Windows, truth: Windows) -> Float[Tensor, ""]:
    """Mean difference of deviations within windows; both are `deviations`."""
    return (found - truth).abs().mean()


def moments(found: Float[Tensor, "feature place"], truth: Float[Tensor, "feature place"]) -> Float[Tensor, ""]:
    """Difference of means, in the truth's deviations, plus that of deviations, as logarithms."""
    deviation = truth.std(dim=1).clamp_min(1e-4)
    shift = (found.mean(dim=1) - truth.mean(dim=1)) / deviation
    return shift.abs().mean() + (found.std(dim=1).clamp_min(1e-4) / deviation).log().abs().mean()


def losses(found: LogMel, truth: LogMel, mel: Mel) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """`spread` and `moments` of log-mels (batch, band, frame)."""
    ours, theirs = deviations(found, mel), deviations(truth, mel)
    return spread(ours[0], theirs[0]), moments(_features(*ours), _features(*theirs))


def deviations(log_mel: Float[Tensor, "batch band frame"], mel: Mel) -> tuple[Windows, Windows]:
    """The cepstrum's deviation and mean in overlapping windows."""
    frames = min(round(SECONDS * mel.frames_per_second), log_mel.shape[-1])
    windows = (_cosines(mel.bands).to(log_mel) @ log_mel).unfold(2, frames, max(1, frames // 4))
    return (windows.var(dim=-1) + FLOOR).sqrt(), windows.mean(dim=-1)


def _features(deviation: Windows, mean: Windows) -> Float[Tensor, "feature place"]:
    """What is distributed: logarithms of deviations, and means without the segment's own."""
    return torch.cat([deviation.log(), mean - mean.mean(dim=2, keepdim=True)], dim=1).transpose(0, 1).flatten(1)


@cache
def _cosines(bands: int) -> Float[Tensor, "coefficient band"]:
    """From log-mels to their cepstrum."""
    return torch.from_numpy(scipy.fft.dct(np.eye(bands), norm="ortho", axis=0)[1 : 1 + COEFFICIENTS].astype(np.float32))
