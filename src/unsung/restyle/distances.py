"""How far an estimate is from the true recording: spectra of waveforms, after the vocoder."""

import numpy as np
import torch
from jaxtyping import Float

from unsung.restyle.features import Mono
from unsung.restyle.mel import Mel
from unsung.scoring import whole
from unsung.spectrum import Stft

FLOOR = 1e-4  # of a magnitude that is 1 for a full-scale sine: -80 dB
LOUDEST = 80.0  # dB between the loudest and the softest that counts


def mel_spectral_distance(estimate: Mono, truth: Mono, sample_rate: int) -> float:
    """Root mean square over time of the difference of mels in dB, mean over bands; 0 if equal.

    The LSD of Cifka et al. 2021 (arXiv 2102.05749): of signals at the same loudness, no phase.
    """
    import librosa

    def decibels(waveform: Mono) -> Float[np.ndarray, "band frame"]:
        normal = waveform / (np.sqrt(np.mean(waveform**2)) + np.finfo(np.float32).eps)
        return librosa.power_to_db(librosa.feature.melspectrogram(y=normal, sr=sample_rate), top_db=LOUDEST)

    return float(np.sqrt(np.mean((decibels(estimate) - decibels(truth)) ** 2, axis=1)).mean())


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
