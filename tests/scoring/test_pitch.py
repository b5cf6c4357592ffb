import numpy as np
import pytest
from mir_eval import melody

from unsung.scoring.pitch import Pitch, pitch_of, raw_pitch_accuracy

RATE = 22_050


def voice(hertz, seconds=2.0):
    """A sung tone with a vibrato: harmonics that fall."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.01 * np.sin(2 * np.pi * 5 * t))) / RATE
    return (0.2 * sum(np.sin(n * phase) / n for n in range(1, 8)))[:, None].astype(np.float32)


@pytest.mark.parametrize("hertz", [110.0, 220.0, 440.0])
def test_the_pitch_of_a_voice_is_found(hertz):
    found = pitch_of(voice(hertz), RATE)
    assert found.voiced.mean() > 0.9
    assert np.median(found.hertz[found.voiced]) == pytest.approx(hertz, rel=0.02)


def test_the_same_voice_is_right_and_another_note_is_wrong():
    true = pitch_of(voice(220.0), RATE)
    assert raw_pitch_accuracy(true, true) == 1
    assert raw_pitch_accuracy(true, pitch_of(0.1 * voice(220.0) + 0.001, RATE)) > 0.95
    assert raw_pitch_accuracy(true, pitch_of(voice(233.1), RATE)) < 0.1


def test_it_is_that_of_mir_eval():
    rng = np.random.default_rng(0)
    reference = Pitch(200 * 2 ** rng.uniform(0, 1, 500), rng.random(500) < 0.6)
    estimate = Pitch(reference.hertz * 2 ** (rng.normal(0, 50, 500) / 1200), rng.random(500) < 0.6)
    cents = [melody.hz2cents(pitch.hertz) for pitch in (reference, estimate)]
    expected = melody.raw_pitch_accuracy(reference.voiced.astype(float), cents[0], estimate.voiced.astype(float), cents[1])
    assert raw_pitch_accuracy(reference, estimate) == pytest.approx(expected)


def test_what_is_nowhere_voiced_has_no_accuracy():
    silent = pitch_of(np.zeros((RATE, 2), np.float32), RATE)
    assert np.isnan(raw_pitch_accuracy(silent, silent))
