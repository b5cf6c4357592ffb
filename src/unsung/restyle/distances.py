"""How far an estimate is from the true recording: spectra of waveforms, after the vocoder."""

import numpy as np
import torch

from unsung.restyle.features import Mono
from unsung.restyle.mel import Mel
from unsung.scoring import whole
from unsung.spectrum import Stft

FLOOR = 1e-4  # of a magnitude that is 1 for a full-scale sine: -80 dB


def log_spectral_distance(estimate: Mono, truth: Mono, stft: Stft) -> float:
    """Root mean square over frequencies of the difference in dB, mean over frames; 0 if equal.

    Gray and Markel 1976 (doi:10.1109/TASSP.1976.1162849), with a floor under both.
    """
    scale = 4 / stft.n_fft  # a Hann window adds up to n_fft / 2, a sine has half its height there
    one, other = (20 * (scale * stft.forward(torch.from_numpy(x)).abs()).clamp_min(FLOOR).log10() for x in (estimate, truth))
    return float((one - other).square().mean(dim=-2).sqrt().mean())


def mel_distance(estimate: Mono, truth: Mono, mel: Mel) -> float:
    """The mean absolute difference of natural log-mels; 0 if equal."""
    return float((mel.forward(torch.from_numpy(estimate)) - mel.forward(torch.from_numpy(truth))).abs().mean())


def stft_distance(estimate: Mono, truth: Mono) -> float:
    """scoring.whole's, over three resolutions; 1 for any sound where the truth is silent."""
    if not truth.any():
        return float(np.any(estimate))
    return whole.stft_distance(truth[:, None], estimate[:, None])
