"""What of a song says little of its style: salient semitones, onsets in four bands, loudness.

Where there are no pairs, the network learns from songs of the target style alone: poor features of
a song in, the song out. Then the poor features of any song may go in. They still tell bands apart,
by how strong strokes are and which octaves sound: `levelled` takes the one away, and `varied` shows
the network songs in which the other is of another band.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from unsung.restyle.mel import Mel
from unsung.spectrum import Stft

LOWEST, SEMITONES = 36, 60  # MIDI numbers: C2 to B6
ONSET_BANDS = 4
CHANNELS = SEMITONES + ONSET_BANDS + 1
WINDOW = 0.25  # seconds, in which semitones above C3 can be told apart
AROUND = 25  # semitones whose mean is taken away: an equaliser changes nothing
FLOOR = 1e-3  # of the loudest semitone
SOFT, HARD = 0.02, 4.0  # of strokes and loudness: no more is made of less, and no less of more, in units of their rms


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


def levelled(features: Float[Tensor, "batch channel frame"]) -> Float[Tensor, "batch channel frame"]:
    """Strokes and loudness at one scale for every song: a drum is harder than a sleigh bell."""
    semitones, rises, loudness = features.split([SEMITONES, ONSET_BANDS, 1], dim=1)
    rises = (rises / _rms(rises).clamp_min(SOFT)).clamp_max(HARD).sqrt() / 2
    loudness = (loudness / _rms(loudness).clamp_min(SOFT) / 3).clamp(-1, 1)
    return torch.cat([semitones, rises, loudness], dim=1)


def _rms(features: Float[Tensor, "batch channel frame"]) -> Float[Tensor, "batch channel 1"]:
    return features.square().mean(2, keepdim=True).sqrt()


def varied(features: Float[Tensor, "batch channel frame"], rngs: Sequence[Generator]) -> Float[Tensor, "batch channel frame"]:
    """The same songs as other bands might play them: octaves doubled or weaker, other strokes."""
    return torch.stack([_varied(song, rng) for song, rng in zip(features, rngs, strict=True)])


def _varied(features: Float[Tensor, "channel frame"], rng: Generator) -> Float[Tensor, "channel frame"]:
    def drawn(count: int, low: float, high: float) -> Float[Tensor, "_count 1"]:
        return low + (high - low) * torch.rand(count, 1, generator=rng, device=rng.device)

    semitones, rest = features.split([SEMITONES, len(features) - SEMITONES])
    weights = functional.interpolate(drawn(SEMITONES // 12 + 1, 0.3, 1.4).T[None], SEMITONES, mode="linear", align_corners=True)
    above, below = drawn(2, -0.5, 0.7).clamp_min(0)  # in five of twelve songs nothing is doubled there
    higher = functional.pad(semitones[:-12], (0, 0, 12, 0)) * above
    lower = functional.pad(semitones[12:], (0, 0, 0, 12)) * below
    played = torch.stack([semitones * weights[0].T, higher, lower]).amax(0)
    return torch.cat([played, rest * drawn(len(rest), 0.6, 1.2)])


@lru_cache(maxsize=4)
def _semitones(sample_rate: int, n_fft: int) -> Float[Tensor, "semitone freq"]:
    """Triangles one semitone to either side, on a scale of pitches."""
    hertz = np.maximum(np.arange(n_fft // 2 + 1) * sample_rate / n_fft, 1.0)
    pitches = 69 + 12 * np.log2(hertz / 440)
    distances = np.abs(pitches - (LOWEST + np.arange(SEMITONES))[:, None])
    return torch.from_numpy(np.clip(1 - distances, 0, None).astype(np.float32))
