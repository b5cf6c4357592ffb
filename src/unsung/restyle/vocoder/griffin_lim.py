"""Log-mel spectrogram -> waveform without training: magnitudes, then phases that fit them.

Magnitudes are found by the multiplicative updates for the generalised Kullback-Leibler divergence
(Lee and Seung 2001; with one known factor: Richardson 1972, Lucy 1974). Each phase follows from
what the overlapping frames agree on: fast Griffin-Lim (Perraudin, Balazs and Sondergaard 2013,
doi:10.1109/WASPAA.2013.6701851).
"""

from math import ceil

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.mel import LogMel, Mel
from unsung.spectrum import Stft

MAGNITUDE_TURNS = 10  # 50 turns gain 0.02 of 10.7 dB of log-spectral distance; 200 turns no more
TINY = 1e-9  # of an amplitude, so that silence can be divided by it
Magnitude = Float[Tensor, "*batch freq frame"]
Phase = Float[Tensor, "*batch freq frame"]  # radians


def griffin_lim(
    log_mel: LogMel, mel: Mel, turns: int, momentum: float = 0.99, seed: int = 0, phase: Phase | None = None
) -> Float[Tensor, "*batch sample"]:
    """The waveform of (frame - 1) * hop_length samples after `turns` of fast Griffin-Lim.

    Without a start `phase` one is drawn from `seed`, the same for all of a batch.
    """
    magnitude = magnitudes(log_mel, mel)
    if phase is None:
        phase = random_phase(mel.stft.freqs, 0, log_mel.shape[-1], seed).to(log_mel).expand_as(magnitude)
    return consistent(magnitude, phase, mel.stft, turns, momentum)


def magnitudes(log_mel: LogMel, mel: Mel, turns: int = MAGNITUDE_TURNS) -> Magnitude:
    """Non-negative STFT magnitudes whose log-mel spectrogram is near `log_mel`.

    Where the filters leave a choice, it is as smooth as they are. What no filter sees is 0.
    """
    filters = scaled_filters(mel).to(log_mel)
    start = filters.mT @ log_mel.exp() / filters.sum(0).clamp_min(TINY).unsqueeze(-1)
    for _ in range(turns):
        start = start * correction(start, log_mel, filters)
    return start


def correction(magnitude: Magnitude, log_mel: LogMel, filters: Float[Tensor, "band freq"]) -> Float[Tensor, "*batch freq frame"]:
    """The factors of one multiplicative update towards `log_mel`; 1 where no filter sees."""
    total = filters.sum(0).unsqueeze(-1)
    factors = filters.mT @ (log_mel.exp() / (filters @ magnitude).clamp_min(TINY)) / total.clamp_min(TINY)
    return torch.where(total > 0, factors, 1.0)


def scaled_filters(mel: Mel) -> Float[Tensor, "band freq"]:
    """The filters from STFT magnitudes to the bands of `mel`, with its scale."""
    return mel.filters * (4 / mel.n_fft)


def consistent(
    magnitude: Magnitude, phase: Phase, stft: Stft, turns: int, momentum: float = 0.99
) -> Float[Tensor, "*batch sample"]:
    """The waveform with nearly these magnitudes: fast Griffin-Lim from a start phase.

    Each turn is differentiable. With 0 turns it is the inverse STFT.
    """
    waveform, before = stft.inverse(torch.polar(magnitude, phase)), None
    for _ in range(turns):
        now = stft.forward(waveform)
        ahead = now if before is None else now + momentum * (now - before)
        waveform = stft.inverse(magnitude * ahead / (ahead.abs() + TINY * stft.n_fft))
        before = now
    return waveform


def random_phase(freqs: int, first: int, frames: int, seed: int) -> Float[Tensor, "freq frame"]:
    """Phases that follow from (seed, number of the frame), so that parts of a song have its own."""
    drawn = [np.random.default_rng((seed, first + frame)).uniform(-np.pi, np.pi, freqs) for frame in range(frames)]
    return torch.from_numpy(np.stack(drawn, axis=1).astype(np.float32))


def reach(stft: Stft, turns: int) -> int:
    """How many frames on either side a sample depends on after `turns` and the inverse STFT."""
    return (turns + 1) * (ceil(stft.n_fft / stft.hop_length) - 1)
