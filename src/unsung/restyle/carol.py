"""The carol band: it plays the score of a song as one fixed ensemble in one hall.

The melody goes to a choir and, an octave up, to a celesta; chords to strings, the lead to the
celesta, the bass to an organ's pedal, hat and snare to sleigh bells, the kick to soft timpani.
Nothing is drawn at random: what is random in the target and not in the input would become blur.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import signal

from unsung.data.synth.band import RATE, TIMBRES, Mono, add, decaying, frequency, sustained
from unsung.data.synth.mixing import Stereo, draw_room, level, place
from unsung.data.synth.score import Hit, Note, Score
from unsung.data.synth.voice import BANDWIDTHS, FORMANTS

HALL = 4  # the seed of its impulse response, which is 1.2 s long
PEAK = 0.5  # -6 dB, because the styles of a track are added up to see whether they clip
# Part -> its level in dB, the place from -1 (left) to 1 (right), the hall's share
PARTS = {
    "choir": (0.0, 0.0, 0.25),
    "strings": (-4.0, 0.3, 0.25),
    "celesta": (-5.0, -0.3, 0.2),
    "organ": (-6.0, 0.0, 0.1),
    "bells": (-11.0, 0.2, 0.1),
    "timpani": (-8.0, 0.0, 0.15),
}


def play(score: Score, seconds: float) -> Stereo:
    """The score as a carol, (sample, 2) at 44.1 kHz."""
    length, hall = round(seconds * RATE), draw_room(np.random.default_rng(HALL))
    above = [replace(note, pitch=note.pitch + 12) for note in score.melody]
    sounds = {
        "choir": _played(score.melody, choir, length),
        "strings": _played(score.chords, TIMBRES["strings"], length),
        "celesta": _played([*above, *score.lead], celesta, length),
        "organ": _played(score.bass, TIMBRES["organ"], length),
        "bells": _struck([hit for hit in score.drums if hit.drum != "kick"], sleigh_bells(), length),
        "timpani": _struck([hit for hit in score.drums if hit.drum == "kick"], timpani(), length),
    }
    song = np.zeros((length, 2), np.float32)
    sent = np.zeros_like(song)  # to the hall
    for name, (decibels, side, wet) in PARTS.items():
        part = place(level(sounds[name], 10 ** (decibels / 20)), side, 0.0, hall)
        song += part
        sent += wet * part
    song += signal.fftconvolve(sent, hall, axes=0)[:length]
    return (song * (PEAK / max(np.abs(song).max(), 1e-9))).astype(np.float32)


def choir(note: Note) -> Mono:
    """Three voices on "ah", slightly out of tune: a saw through the formants of the vowel."""
    hertz = frequency(note.pitch) * np.arange(1, 1 + int(7500 / frequency(note.pitch)))
    strength = np.array([1.0, 0.7, 0.4, 0.25, 0.15])
    resonance = (strength / np.sqrt(1 + ((hertz[:, None] - FORMANTS["a"]) / BANDWIDTHS) ** 2)).sum(1)
    return sustained(note, list(resonance / np.sqrt(np.arange(1, len(hertz) + 1))), 0.08, 0.2)


def celesta(note: Note) -> Mono:
    """A struck metal plate over a wooden box: the octaves, soon gone."""
    return decaying(note, [1, 0, 0, 0.35, 0, 0, 0, 0.05], 2.2, 0.2)


def sleigh_bells() -> Mono:
    """One shake: many small bells out of tune, each a few sines."""
    seconds = np.arange(round(0.25 * RATE)) / RATE
    rng = np.random.default_rng(HALL)  # of the one instrument, not of a song
    hertz, late = rng.uniform(2600, 7400, 40), rng.uniform(0, 0.03, 40)
    since = np.clip(seconds - late[:, None], 0, None)
    tones = np.sin(2 * np.pi * hertz[:, None] * since) * np.exp(-since / 0.06)
    return (0.1 * tones.sum(0)).astype(np.float32)


def timpani() -> Mono:
    """One soft stroke on a kettledrum: the preferred modes, which are near 2 : 3 : 4 : 5."""
    seconds = np.arange(round(0.8 * RATE)) / RATE
    modes = ((1.0, 1.0), (1.5, 0.6), (1.99, 0.4), (2.44, 0.2))
    tone = sum(a * np.sin(2 * np.pi * 73.4 * ratio * seconds) * np.exp(-seconds * ratio / 0.25) for ratio, a in modes)
    return (tone * np.minimum(1, seconds / 0.008)).astype(np.float32)


def _played(notes: Sequence[Note], instrument: Callable[[Note], Mono], length: int) -> Mono:
    track = np.zeros(length, np.float32)
    for note in notes:
        add(track, instrument(note).astype(np.float32), note.start)
    return track


def _struck(hits: Sequence[Hit], sound: Mono, length: int) -> Mono:
    track = np.zeros(length, np.float32)
    for hit in hits:
        add(track, hit.strength * sound, hit.start)
    return track
