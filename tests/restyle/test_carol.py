import librosa
import numpy as np
import pytest

from unsung.data.synth.score import Hit, Note, Score
from unsung.restyle import carol

RATE = 44_100


def score(**parts):
    return Score(**{"drums": [], "bass": [], "chords": [], "lead": [], "melody": [], **parts})


def test_the_same_score_gives_the_same_bytes_and_peaks_at_half():
    song = score(melody=[Note(0.5, 0.5, 67)], drums=[Hit(1.0, "snare", 1.0), Hit(1.5, "kick", 1.0)])
    first, again = carol.play(song, 2.0), carol.play(song, 2.0)
    assert first.tobytes() == again.tobytes() and first.shape == (2 * RATE, 2)
    assert np.abs(first).max() == pytest.approx(carol.PEAK)


@pytest.mark.parametrize("part", ["melody", "chords", "lead", "bass"])
def test_a_note_sounds_at_its_pitch_and_time(part):
    pitch = 45 if part == "bass" else 69
    sound = carol.play(score(**{part: [Note(0.5, 1.0, pitch)]}), 2.0).mean(axis=1)
    assert np.abs(sound[: RATE // 2 - 10]).max() < 1e-3 < np.abs(sound[RATE // 2 : RATE]).max()
    chroma = librosa.feature.chroma_stft(y=sound[RATE // 2 : RATE], sr=RATE, n_fft=8192, tuning=0.0)
    assert int(chroma.mean(axis=1).argmax()) == pitch % 12


def test_hats_are_high_and_kicks_are_low():
    brightness = {}
    for drum in ("hat", "kick"):
        sound = carol.play(score(drums=[Hit(0.2, drum, 1.0)]), 1.0).mean(axis=1)
        brightness[drum] = float(librosa.feature.spectral_centroid(y=sound[RATE // 5 : RATE // 2], sr=RATE).mean())
    assert brightness["kick"] < 1500 < 3000 < brightness["hat"]


def test_silence_is_silent():
    assert not carol.play(score(), 1.0).any()
