import numpy as np
import pytest
from scipy.signal import lfilter

from tests.restyle.bands import song
from unsung.errors import UserError
from unsung.restyle import features
from unsung.restyle.features import chroma_similarity, content, melody, melody_hit, onset_correlation, tempo_agreement, timbre

RATE = 16_000
SILENCE = np.zeros(2 * RATE, np.float32)


def tone(pitch, rate=RATE):
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    seconds = np.arange(2 * rate) / rate
    return sum(0.3 / n * np.sin(2 * np.pi * n * hertz * seconds) for n in (1, 2, 3, 4)).astype(np.float32)


def clicks(a_minute, seconds=8, late=0.0):
    signal = np.zeros(seconds * RATE, np.float32)
    for start in np.arange(late, seconds - 0.1, 60 / a_minute):
        first = round(start * RATE)
        signal[first : first + 800] += np.random.default_rng(0).standard_normal(800) * np.exp(-np.arange(800) / 200)
    return content(0.3 * signal, RATE)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_pitch_classes_are_heard_at_any_rate(rate):
    heard = content(tone(69, rate), rate)
    assert np.all(heard.chroma[:, 20:-20].argmax(axis=0) == 9)
    assert np.all(heard.salience[:, 20:-20].argmax(axis=0) == 69 - 48)
    np.testing.assert_allclose((heard.chroma**2).sum(axis=0), 1, rtol=1e-4)


def test_another_note_is_not_alike_and_another_octave_is():
    one, octave, tritone = (content(tone(pitch), RATE) for pitch in (60, 72, 66))
    assert chroma_similarity(one, one) == pytest.approx(1)
    assert chroma_similarity(one, octave) > 0.8
    assert chroma_similarity(one, tritone) < 0.1


def test_onsets_must_be_at_the_same_time_and_may_be_louder():
    one, other = clicks(120), clicks(120, late=0.2)
    assert onset_correlation(one, one) == pytest.approx(1, abs=1e-5)
    assert onset_correlation(one, other) < 0.2
    x = song(1)[0].input
    assert onset_correlation(content(x, RATE), content(0.5 * x, RATE)) > 0.999


def test_tempi_agree_up_to_twice_or_half():
    assert tempo_agreement(clicks(120), clicks(60)) == tempo_agreement(clicks(60), clicks(120)) == 1
    assert tempo_agreement(clicks(120), clicks(97)) == 0


def test_silence_has_a_score():
    silent, sounding = content(SILENCE, RATE), content(tone(60), RATE)
    assert not silent.chroma.any() and silent.tempo == 0
    assert np.isfinite(timbre(SILENCE, RATE)).all()
    assert chroma_similarity(silent, sounding) == onset_correlation(silent, sounding) == tempo_agreement(silent, sounding) == 0
    assert (melody(silent, silent) == -1).all() and melody_hit(melody(silent, silent), silent) == 0
    notes = melody(sounding, sounding)
    assert melody_hit(notes, sounding) == 1 and melody_hit(notes, silent) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_melody_is_that_of_the_score(seed):
    pair, score = song(seed)
    pop, carol = content(pair.input, RATE), content(pair.truth, RATE)
    hop = features.hop_length(RATE) / RATE
    written = np.full(pop.salience.shape[1], -1)
    for note in score.melody:
        written[round((note.start + 0.05) / hop) : round((note.start + note.seconds) / hop)] = note.pitch % 12
    notes = melody(pop, carol)
    both = (notes >= 0) & (written >= 0)
    assert both.sum() > 0.5 * (written >= 0).sum()  # most of what is sung is found
    assert (notes == written)[both].mean() > 0.8
    other = content(song(seed + 1)[0].truth, RATE)
    assert min(melody_hit(notes, pop), melody_hit(notes, carol)) > 0.85 > 0.5 > melody_hit(notes, other)


def test_loudness_is_no_timbre_and_a_filter_is_a_constant():
    x = song(1)[0].input
    heard, quiet = timbre(x, RATE), timbre(0.5 * x, RATE)
    np.testing.assert_allclose(quiet, heard, atol=1e-3)
    assert heard.shape == (len(x) // 256 + 1, 19)
    hissing = x + 0.01 * np.random.default_rng(0).standard_normal(len(x)).astype(np.float32)  # above the floor everywhere
    filtered = timbre(lfilter([1, 0.5], [1], hissing).astype(np.float32), RATE) - timbre(hissing, RATE)
    assert np.abs(filtered.mean(axis=0)).max() > 10 * filtered[10:-10].std(axis=0).max()


def test_a_song_that_is_too_short_is_told():
    for hear in (content, timbre):
        with pytest.raises(UserError, match=r"^a song of 0\.50 s cannot be scored.*at least 1 s$"):
            hear(SILENCE[:8000], RATE)
