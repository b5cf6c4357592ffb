import numpy as np
import pytest

from recipes.songs import psola
from recipes.songs.production import RATE

FORMANT, PITCH = 1200.0, 44_100 / 220  # Hz


@pytest.fixture(scope="module")
def grains():
    """A second of pulses at 200 Hz that ring at FORMANT, then half a second of noise."""
    rng = np.random.default_rng(0)
    ring = np.exp(-np.arange(600) / 60) * np.sin(2 * np.pi * FORMANT * np.arange(600) / RATE)
    pulses = np.zeros(RATE)
    pulses[:: RATE // 200] = 1
    sung = np.convolve(pulses, ring)[:RATE]
    dry = np.concatenate([sung, 0.1 * rng.standard_normal(RATE // 2)]).astype(np.float32)
    return psola.cut(dry, np.where(np.arange(300) < 200, PITCH, 0.0))


def spectrum(sound):
    piece = sound[RATE // 10 : RATE // 10 + RATE // 2] * np.hanning(RATE // 2)
    return np.abs(np.fft.rfft(piece))  # bins of 2 Hz


def harmonics(sound, pitch):
    """Share of the energy that is within 6 Hz of a multiple of a pitch."""
    energy = spectrum(sound) ** 2
    hertz = 2 * np.arange(len(energy))
    return energy[np.abs((hertz + pitch / 2) % pitch - pitch / 2) < 6].sum() / energy.sum()


@pytest.mark.parametrize("semitones", [-5, 0, 4, 9])
def test_the_pitch_is_the_one_asked_for_and_the_formant_stays(grains, semitones):
    pitch = 200 * 2 ** (semitones / 12)
    sound = grains.sound(np.where(grains.f0 > 0, pitch, 0))
    assert harmonics(sound, pitch) > 0.9
    assert 2 * np.argmax(spectrum(sound)) == pytest.approx(FORMANT, abs=pitch)
    assert len(sound) == int(len(grains.f0) * psola.HOP)


def test_a_tract_moves_the_formant_and_keeps_the_pitch(grains):
    sound = grains.tract(1.3).sound(grains.f0)
    assert harmonics(sound, PITCH) > 0.9
    assert 2 * np.argmax(spectrum(sound)) == pytest.approx(1.3 * FORMANT, abs=100)


def test_another_speed_is_another_length_at_the_same_pitch(grains):
    slower = grains.at(np.arange(0, 199, 0.5))
    sound = slower.sound(slower.f0)
    assert len(sound) == pytest.approx(1.99 * RATE, rel=0.01)
    assert harmonics(sound[RATE:], PITCH) > 0.9


def test_noise_stays_noise(grains):
    noise = grains.at(np.arange(210, 290, 0.25))
    sound = noise.sound(noise.f0)
    energy = spectrum(sound) ** 2
    assert energy.max() < 0.02 * energy.sum()
