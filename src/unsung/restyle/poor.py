"""What of a song says little of its style: salient semitones, onsets in four bands, loudness.

Where there are no pairs, the network learns from songs of the target style alone: poor features of
a song in, the song out. Then the poor features of any song may go in.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from unsung.restyle.mel import Mel
from unsung.spectrum import Stft

LOWEST, SEMITONES = 36, 60  # MIDI numbers: C2 to B6
ONSET_BANDS = 4
CHANNELS = SEMITONES + ONSET_BANDS + 1
WINDOW = 0.25  # seconds, in which semitones above C3 can be told apart
AROUND = 25  # semitones whose mean is taken away: an equaliser changes nothing
FLOOR = 1e-3  # of the loudest semitone


def poor(waveform: Float[Tensor, "batch sample"], mel: Mel) -> Float[Tensor, "batch channel frame"]:
    """(batch, CHANNELS, frame), with the frames of `mel`; about 0 to 1 each."""
    own = mel.forward(waveform)
    rises = functional.relu(own.diff(dim=2, prepend=own[..., :1])).unflatten(1, (ONSET_BANDS, -1)).mean(2)
    loudness = own.mean(1, keepdim=True)
    loudness = (loudness - loudness.mean(2, keepdim=True)) / 3
    return torch.cat([salience(waveform, mel), rises, loudness], dim=1)


def salience(waveform: Float[Tensor, "batch sample"], mel: Mel) -> Float[Tensor, "batch semitone frame"]:
    """By how much each semitone stands out from those around it, in units of 2 nepers."""
    stft = Stft(2 ** round(np.log2(WINDOW * mel.sample_rate)), mel.hop_length)
    levels = _semitones(mel.sample_rate, stft.n_fft).to(waveform.device) @ stft.forward(waveform).abs()
    loudest = levels.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    logarithms = (levels / loudest + FLOOR).log()
    padded = functional.pad(logarithms.transpose(1, 2), (AROUND // 2, AROUND // 2), mode="replicate")
    return functional.relu(logarithms - functional.avg_pool1d(padded, AROUND, 1).transpose(1, 2)) / 2


@lru_cache(maxsize=4)
def _semitones(sample_rate: int, n_fft: int) -> Float[Tensor, "semitone freq"]:
    """Triangles one semitone to either side, on a scale of pitches."""
    hertz = np.maximum(np.arange(n_fft // 2 + 1) * sample_rate / n_fft, 1.0)
    pitches = 69 + 12 * np.log2(hertz / 440)
    distances = np.abs(pitches - (LOWEST + np.arange(SEMITONES))[:, None])
    return torch.from_numpy(np.clip(1 - distances, 0, None).astype(np.float32))
