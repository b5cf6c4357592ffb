import struct

import numpy as np
import pytest

pytest.importorskip("tinysoundfont", reason="scores are played with tinysoundfont (recipes/songs/README.md)")
pytest.importorskip("pyworld", reason="recipes.songs.band takes voices apart with pyworld (recipes/songs/README.md)")

from tinysoundfont import midi as events

from recipes.songs import midi


def score(program=0, key=60):
    """A score of one note: 96 ticks a quarter, 120 a minute."""
    track = bytes([0, 0xC0, program, 0, 0x90, key, 100, 96, 0x80, key, 0, 0, 0xFF, 0x2F, 0])
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track


def of(kind, found):
    return [event for event in found if isinstance(event.action, kind)]


def test_scores_inside_a_wad_are_found(tmp_path):
    lumps = {b"D_ONE": score(), b"PICTURE": b"\x00" * 10, b"D_TWO": score(key=64)}
    body, directory, at = b"", b"", 12
    for name, data in lumps.items():
        directory += struct.pack("<ii8s", at, len(data), name)
        body, at = body + data, at + len(data)
    (tmp_path / "x.wad").write_bytes(b"IWAD" + struct.pack("<ii", len(lumps), at) + body + directory)
    assert list(midi.scores(tmp_path / "x.wad")) == [("x-D_ONE", score()), ("x-D_TWO", score(key=64))]


def test_a_midi_file_is_a_score(tmp_path):
    (tmp_path / "y.mid").write_bytes(score())
    assert list(midi.scores(tmp_path / "y.mid")) == [("y", score())]


def test_tempo_and_key_move_together_for_note_and_end():
    for seed in range(8):
        found = midi.events_of(score(), np.random.default_rng(seed))
        on, off = of(events.NoteOn, found)[0], of(events.NoteOff, found)[0]
        assert on.action.key == off.action.key and abs(on.action.key - 60) <= 4
        assert 0.5 / 1.15 <= off.t - on.t <= 0.5 / 0.85


def test_nobody_sings_and_families_stay():
    for seed in range(20):
        assert (
            of(events.ProgramChange, midi.events_of(score(program=53), np.random.default_rng(seed)))[0].action.program
            not in midi.SUNG
        )
        assert of(events.ProgramChange, midi.events_of(score(program=26), np.random.default_rng(seed)))[0].action.program // 8 == 3
