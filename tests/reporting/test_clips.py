import io

import numpy as np
import pytest
import soundfile

from unsung.reporting.clips import as_mp3


@pytest.mark.parametrize(("rate", "played"), [(22_050, 22_050), (44_100, 44_100), (96_000, 48_000), (7000, 8000)])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_clip_is_the_sound_in_its_place(rate, played, channels):
    t = np.arange(2 * rate) / rate
    samples = np.repeat((0.3 * np.sin(2 * np.pi * 440 * t) * (t % 0.5 < 0.25))[:, None], channels, axis=1).astype(np.float32)
    clip = as_mp3(samples, rate)
    found, own = soundfile.read(io.BytesIO(clip), always_2d=True)
    assert own == played and found.shape[1] == channels and abs(len(found) / own - 2) < 0.2
    envelope = np.abs(found[:, 0])
    assert envelope[round(0.3 * own) : round(0.45 * own)].max() < 0.02 < envelope[round(0.05 * own) : round(0.2 * own)].max()
    assert len(clip) < 2 * 18_000 and as_mp3(samples, rate) == clip


def test_what_is_too_loud_is_clipped():
    found, _ = soundfile.read(io.BytesIO(as_mp3(np.full((8000, 1), 3.0, np.float32), 8000)))
    assert np.abs(found).max() < 2
