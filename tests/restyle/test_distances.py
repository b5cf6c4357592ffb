import numpy as np
import pytest

from unsung.restyle.distances import log_spectral_distance, mel_distance, mel_spectral_distance, stft_distance
from unsung.restyle.mel import Mel

MEL = Mel(sample_rate=16_000, n_fft=1024, hop_length=256, bands=40)
NOISE = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype(np.float32)
SILENCE = np.zeros_like(NOISE)
DISTANCES = [
    lambda e, t: log_spectral_distance(e, t, MEL.stft),
    lambda e, t: mel_spectral_distance(e, t, 16_000),
    lambda e, t: mel_distance(e, t, MEL),
    stft_distance,
]


@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_is_zero_and_silence_is_finite_and_far(distance):
    assert distance(NOISE, NOISE) == distance(SILENCE, SILENCE) == 0
    for pair in ((SILENCE, NOISE), (NOISE, SILENCE)):
        assert np.isfinite(distance(*pair)) and distance(*pair) >= 1 > distance(NOISE, 0.9 * NOISE) >= 0


def test_twice_as_loud_is_six_decibels_but_not_where_loudness_is_none():
    assert log_spectral_distance(2 * NOISE, NOISE, MEL.stft) == pytest.approx(20 * np.log10(2), abs=0.01)
    assert mel_distance(2 * NOISE, NOISE, MEL) == pytest.approx(np.log(2), abs=1e-5)
    assert mel_spectral_distance(2 * NOISE, NOISE, 16_000) == pytest.approx(0, abs=1e-3)


def test_the_mean_over_time_is_of_squares():
    """A quarter of the song 12 dB louder: after the loudness is made equal, a known difference."""
    gain = np.where(np.arange(len(NOISE)) < len(NOISE) // 4, 4, 1).astype(np.float32)
    loudness = 10 * np.log10(0.25 * 16 + 0.75)
    expected = np.sqrt(0.25 * (20 * np.log10(4) - loudness) ** 2 + 0.75 * loudness**2)
    assert mel_spectral_distance(gain * NOISE, NOISE, 16_000) == pytest.approx(expected, rel=0.05)


def test_a_low_floor_does_not_count_what_nobody_hears():
    hiss = (1e-7 * np.random.default_rng(1).standard_normal(32_000)).astype(np.float32)
    assert log_spectral_distance(hiss, SILENCE, MEL.stft) == 0
