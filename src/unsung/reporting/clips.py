"""Clips for a page, as mp3, which every browser plays."""

import io

import numpy as np
import soundfile

from unsung.audio import Samples, resampled

RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz: those of mp3


def as_mp3(samples: Samples, sample_rate: int) -> bytes:
    """A clip as long as `samples`: 56 kbit/s at 22.05 kHz, about 110 at 44.1 kHz.

    Samples beyond full scale are clipped. The same samples give the same bytes.
    """
    rate = max((rate for rate in RATES if rate <= sample_rate), default=RATES[0])
    clip = np.concatenate(list(resampled([samples], sample_rate, rate)))
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate, samples.shape[1], "MPEG_LAYER_III", format="MP3", compression_level=0.7, bitrate_mode="CONSTANT"
    ) as mp3:
        mp3.write(np.clip(clip, -1, 1))
    return file.getvalue()
