import itertools

import numpy as np
import pytest

from unsung.data import synth
from unsung.data.synth import band, score, voice


@pytest.fixture(scope="module")
def stems():
    return synth.play(np.random.default_rng(1), 6.0)


def test_a_song_has_four_stereo_stems_that_fit_together(stems):
    assert set(stems) == {"drums", "bass", "other", "vocals"}
    assert {stem.shape for stem in stems.values()} == {(6 * 44_100, 2)}
    assert np.abs(sum(stems.values())).max() < 0.91
    assert all(np.square(stem).mean() > 1e-5 for stem in stems.values())


def test_the_same_seed_is_the_same_song_and_another_is_not(stems):
    again, other = synth.play(np.random.default_rng(1), 6.0), synth.play(np.random.default_rng(2), 6.0)
    np.testing.assert_array_equal(again["vocals"], stems["vocals"])
    assert not np.array_equal(other["vocals"], stems["vocals"])


def test_the_stems_are_stereo_and_lie_where_their_instruments_do(stems):
    assert not np.allclose(stems["other"][:, 0], stems["other"][:, 1])
    power = np.abs(np.fft.rfft(stems["bass"].mean(1))) ** 2
    assert power[: 600 * 6].sum() > 0.9 * power.sum()


def test_a_held_note_has_its_pitch():
    singer = voice.Singer(lowest=50, tract=1.0, tilt=6, vibrato_rate=5.5, vibrato_depth=0.0, glide=0.03, breath=0.0)
    sung = voice.sing([score.Note(0.0, 2.0, 57, 1.0, "a", "none")], singer, np.random.default_rng(0), 2 * band.RATE)
    inner = sung[20_000:60_000]
    lags = np.array([(inner[lag:] * inner[: len(inner) - lag]).sum() for lag in range(100, 400)])
    assert band.RATE / (100 + lags.argmax()) == pytest.approx(220, rel=0.015)


def test_vowels_differ_in_their_formants():
    singer = voice.Singer(lowest=50, tract=1.0, tilt=6, vibrato_rate=5.5, vibrato_depth=0.0, glide=0.03, breath=0.0)

    def share_above_1500_hz(vowel: str) -> float:
        sung = voice.sing([score.Note(0.0, 1.0, 45, 1.0, vowel, "none")], singer, np.random.default_rng(0), band.RATE)
        power = np.abs(np.fft.rfft(sung)) ** 2
        return float(power[1500:].sum() / power.sum())

    assert share_above_1500_hz("i") > 1.5 * share_above_1500_hz("u")


def test_the_singer_rests_between_phrases():
    notes = score.compose(np.random.default_rng(3), 30.0, 50).melody
    gaps = [b.start - (a.start + a.seconds) for a, b in itertools.pairwise(notes)]
    assert max(gaps) > 0.35
    assert all(note.pitch >= 50 for note in notes)


@pytest.mark.parametrize("seed", range(8))
def test_every_part_of_every_song_ends_in_time(seed):
    found = score.compose(np.random.default_rng(seed), 8.0, 52)
    for part in (found.bass, found.chords, found.lead, found.melody):
        assert all(0 <= note.start < 8.0 for note in part)
    assert found.melody and found.drums and found.bass
