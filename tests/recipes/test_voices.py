import numpy as np
import pytest
import soundfile

pytest.importorskip("pyworld", reason="voices are taken apart with pyworld (recipes/songs/README.md)")

from recipes.songs import speech, voices
from recipes.songs.compose import Melody
from recipes.songs.production import RATE
from unsung.data.synth.score import Note


@pytest.fixture(scope="module")
def vowel():
    """A buzz at 200 Hz that swells and fades, 1 s."""
    t = np.arange(RATE) / RATE
    return (sum(np.sin(2 * np.pi * 200 * k * t) / k for k in range(1, 20)) * np.hanning(RATE) * 0.2).astype(np.float32)


@pytest.fixture
def bank(tmp_path, vowel):
    """A folder with one file and two syllables of it."""
    soundfile.write(tmp_path / "00.ogg", np.tile(vowel, 3), RATE)
    (tmp_path / "segments.tsv").write_text("file\tstart\tend\tsource\n00.ogg\t0.1\t0.9\ta\n00.ogg\t1.1\t1.9\tb\n")
    return tmp_path


MELODY = Melody(
    [Note(0.2, 0.8, 57, 1.0, "a", "none"), Note(1.0, 1.0, 60, 1.0, "a", "none")], 2.5, key=0, scale=(0, 2, 4, 5, 7, 9, 11)
)


def pitch(sound, start, end):
    f0 = voices.take_apart(sound[round(start * RATE) : round(end * RATE)]).f0
    return float(np.median(f0[f0 > 0]))


def test_syllables_sing_the_notes_of_a_melody(bank):
    syllables = voices.syllables_of(bank, np.random.default_rng(0), 4)
    sound = voices.sung(syllables, MELODY, 1.0, np.random.default_rng(0))
    assert pitch(sound, 0.3, 0.9) == pytest.approx(220.0, rel=0.05)  # 57
    assert pitch(sound, 1.2, 1.8) == pytest.approx(261.6, rel=0.05)  # 60
    assert np.abs(sound[: round(0.15 * RATE)]).max() < 0.02 * np.abs(sound).max()  # rests are silent


@pytest.mark.parametrize("by", ["world", "psola"])
def test_what_is_said_takes_the_pitch_of_the_melody(vowel, by):
    sound = voices.intoned(voices.parts_of(vowel, by), MELODY, 1.0, np.random.default_rng(1))
    assert pitch(sound, 0.3, 0.9) == pytest.approx(220.0, rel=0.05)


def test_the_own_pitch_of_a_voice(bank):
    assert voices.own_pitch(bank) == pytest.approx(200.0, rel=0.02)


def test_a_tract_moves_the_envelope_and_keeps_the_pitch(vowel):
    frames = voices.take_apart(vowel)
    moved = frames.tract(1.2)
    assert (moved.f0 == frames.f0).all()
    assert np.allclose(moved.envelope[100, 120], frames.envelope[100, 100])


@pytest.mark.parametrize("by", ["world", "psola", "nothing"])
def test_a_take_follows_from_its_seed(bank, by):
    first, again = (voices.take(bank, False, by, np.random.default_rng(5)) for _ in range(2))
    assert first.shape[1] == 2 and np.array_equal(first, again)


def test_speakers_are_told_apart_by_a_pattern(tmp_path):
    for name in ("a-m-1.ogg", "b-v-2.ogg", "c-m-3.ogg", "d.ogg", "silence/5-m-.ogg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = speech.speakers(tmp_path, {"files": "**/*.ogg", "speaker": "^(?!.*silence).*-(m|v)-"})
    assert {name: [file.name for file in files] for name, files in found.items()} == {
        "m": ["a-m-1.ogg", "c-m-3.ogg"],
        "v": ["b-v-2.ogg"],
    }


def test_a_cleaned_recording_has_no_silence_at_its_ends(tmp_path, vowel):
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(RATE), vowel, np.zeros(RATE)]), RATE)
    assert 0.5 * RATE < len(speech.cleaned(tmp_path / "a.wav")) <= 1.05 * RATE
    soundfile.write(tmp_path / "b.wav", np.zeros(RATE), RATE)
    assert not len(speech.cleaned(tmp_path / "b.wav"))
