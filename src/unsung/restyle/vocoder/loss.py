"""The loss of the vocoder: how far a waveform is from the true one, whatever its phases."""

from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.mel import FLOOR, LogMel, Mel
from unsung.restyle.vocoder import griffin_lim
from unsung.restyle.vocoder.network import Vocoder

Terms = dict[str, Float[Tensor, ""]]
RESOLUTIONS = (2048, 512, 128)  # samples of a window: long for tones, short for attacks


def terms(vocoder: Vocoder, log_mel: LogMel, waveform: Float[Tensor, "batch sample"], turns: int) -> Terms:
    """The terms after `turns` of Griffin-Lim, and their sum `loss`.

    `stft` is the multi-resolution STFT loss (arXiv 1910.11480), `mel` is L1 of log-mels,
    `magnitude` is L1 of the logarithms of the network's own magnitudes. At the ends the frames
    beside them are missing, so half a window of the waveform does not count there.
    """
    mel, edge = vocoder.mel, vocoder.mel.n_fft // 2
    magnitude, phase = vocoder.polar(log_mel)
    estimate = griffin_lim.consistent(magnitude, phase, mel.stft, turns)
    inner, truth = estimate[:, None, edge:-edge], waveform[:, None, edge:-edge]
    parts: Terms = {
        "stft": _multi_resolution(waveform.device)(inner, truth),
        "mel": (mel.forward(inner) - mel.forward(truth)).abs().mean(),
        "magnitude": (_logarithm(magnitude, mel) - _logarithm(mel.stft.forward(waveform).abs(), mel)).abs().mean(),
    }
    return {**parts, "loss": torch.stack(list(parts.values())).sum()}


def _logarithm(magnitude: griffin_lim.Magnitude, mel: Mel) -> griffin_lim.Magnitude:
    return (magnitude * (4 / mel.n_fft)).clamp_min(FLOOR).log()


@cache
def _multi_resolution(device: torch.device) -> Any:
    from auraloss.freq import MultiResolutionSTFTLoss  # here: it takes a second to import

    sizes, hops = list(RESOLUTIONS), [size // 4 for size in RESOLUTIONS]
    return MultiResolutionSTFTLoss(fft_sizes=sizes, hop_sizes=hops, win_lengths=sizes).to(device)
