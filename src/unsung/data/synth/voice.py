"""Singing a melody: harmonics of a glottal source, gliding formants, vibrato, breath, consonants.

Source and filter as in Fant 1960. The formants of the vowels are the averages of Peterson and
Barney 1952 (doi:10.1121/1.1906875, table II, men), scaled by the singer's vocal tract.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from unsung.data.synth.band import RATE, Mono, add, bandpass, frequency
from unsung.data.synth.score import Note

FORMANTS = {  # Hz; the fourth and the fifth are the same for all
    "a": (730, 1090, 2440, 3400, 4500),
    "e": (530, 1840, 2480, 3400, 4500),
    "i": (270, 2290, 3010, 3400, 4500),
    "o": (570, 840, 2410, 3400, 4500),
    "u": (300, 870, 2240, 3400, 4500),
}
BANDWIDTHS = np.array([80, 100, 130, 180, 250])  # Hz
CONTROL = 220  # samples from one point of a curve to the next, 5 ms


@dataclass(frozen=True)
class Singer:
    """A voice: its range, the size of its tract and its habits."""

    lowest: int  # MIDI number
    tract: float  # formants are multiplied by this: 1 a man, 1.17 a woman, 1.3 a child
    tilt: float  # dB per octave by which the source falls
    vibrato_rate: float  # Hz
    vibrato_depth: float  # semitones
    glide: float  # seconds from one note to the next
    breath: float  # noise in the tone, relative to it


def draw_singer(rng: np.random.Generator) -> Singer:
    """One of four registers, from bass to soprano, with a timbre of its own."""
    lowest, tract = ((43, 0.95), (48, 1.0), (55, 1.12), (60, 1.18))[rng.integers(4)]
    return Singer(
        lowest=lowest + int(rng.integers(-1, 3)),
        tract=tract * rng.uniform(0.95, 1.06),
        tilt=rng.uniform(5, 9),
        vibrato_rate=rng.uniform(4.8, 6.4),
        vibrato_depth=rng.uniform(0.15, 0.55),
        glide=rng.uniform(0.02, 0.06),
        breath=rng.uniform(0.01, 0.05),
    )


def sing(notes: Sequence[Note], singer: Singer, rng: np.random.Generator, length: int) -> Mono:
    """Sing a melody, (sample,)."""
    pitch, loudness, formants = _curves(notes, singer, rng, points=length // CONTROL + 2)
    tone = _source_and_filter(pitch, loudness, formants, singer, length)
    noise = _consonants(notes, rng, length) + _breaths(notes, rng, length)
    air = singer.breath * rng.standard_normal(length) * _to_samples(loudness, length)
    return (tone + noise + bandpass(air, 1000, 7000)).astype(np.float32)


def _curves(notes: Sequence[Note], singer: Singer, rng: np.random.Generator, points: int) -> tuple[np.ndarray, ...]:
    """Pitch (point,) in MIDI numbers, loudness (point,) and formants (point, 5) in Hz."""
    seconds = np.arange(points) * CONTROL / RATE
    pitch, loudness = np.full(points, float(notes[0].pitch if notes else 60)), np.zeros(points)
    formants = np.tile(np.array(FORMANTS["a"], float), (points, 1))
    for note in notes:
        inside = (seconds >= note.start) & (seconds < note.start + note.seconds)
        after = seconds >= note.start - singer.glide
        since = seconds - note.start
        pitch[after] = note.pitch
        grown = np.clip((since - 0.15) / 0.3, 0, 1)  # vibrato comes late in a note
        pitch[inside] += (singer.vibrato_depth * grown * np.sin(2 * np.pi * singer.vibrato_rate * since))[inside]
        loudness[inside] = note.strength * (_onset(note, since) * np.clip((note.seconds - since) / 0.05, 0, 1))[inside]
        formants[after] = FORMANTS[note.vowel]
        if note.consonant == "nasal":  # lips closed: a low murmur
            formants[inside & (since < 0.07)] = (250, 1100, 2200, 3000, 4000)
    smooth = RATE / CONTROL
    pitch = ndimage.gaussian_filter1d(pitch, singer.glide * smooth / 2)
    pitch += ndimage.gaussian_filter1d(rng.standard_normal(points), 4) * 0.06  # nobody holds a note exactly
    loudness = ndimage.gaussian_filter1d(loudness, 0.008 * smooth)
    return pitch, loudness, ndimage.gaussian_filter1d(formants, 0.02 * smooth, axis=0) * singer.tract


def _onset(note: Note, since: np.ndarray) -> np.ndarray:
    """How the tone comes in after each consonant."""
    if note.consonant == "nasal":
        return np.where(since < 0.07, 0.35, 1.0)
    delay = {"plosive": 0.04, "hiss": 0.09, "hush": 0.08, "none": 0.0}[note.consonant]
    return np.clip((since - delay) / 0.025, 0, 1)


def _source_and_filter(pitch: np.ndarray, loudness: np.ndarray, formants: np.ndarray, singer: Singer, length: int) -> Mono:
    base = frequency(pitch)  # Hz (point,)
    phase = 2 * np.pi * np.cumsum(_to_samples(base, length)) / RATE
    first = np.exp(1j * phase).astype(np.complex64)
    turn, tone = np.ones_like(first), np.zeros(length, np.float32)
    for number in range(1, int(min(90, 12_000 / base.min())) + 1):
        turn *= first  # the harmonic's phasor, without another sine
        heard = base * number < 12_000
        if not (heard & (loudness > 0)).any():
            break
        gain = heard * loudness * 10 ** (-singer.tilt * np.log2(number) / 20) * _resonance(base * number, formants)
        tone += _to_samples(gain, length) * turn.imag
    return 0.25 * tone


def _resonance(hertz: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """The tract's gain at one frequency per point: resonances in parallel, (point,)."""
    strength = np.array([1.0, 0.7, 0.4, 0.25, 0.15])
    return (strength / np.sqrt(1 + ((hertz[:, None] - formants) / BANDWIDTHS) ** 2)).sum(1)


def _to_samples(curve: np.ndarray, length: int) -> Mono:
    """Straight lines between the points of a curve, (sample,)."""
    lines = curve[:-1, None] + (curve[1:] - curve[:-1])[:, None] * (np.arange(CONTROL, dtype=np.float32) / CONTROL)
    return lines.ravel()[:length].astype(np.float32)


def _consonants(notes: Sequence[Note], rng: np.random.Generator, length: int) -> Mono:
    bands = {"hiss": (4500, 10_000, 0.09, 0.35), "hush": (2000, 6000, 0.08, 0.3), "plosive": (1500, 8000, 0.015, 0.15)}
    track = np.zeros(length, np.float32)
    for note in notes:
        if note.consonant in bands:
            *band, level = bands[note.consonant]
            add(track, note.strength * level * _puff(rng, *band), note.start)
    return track


def _breaths(notes: Sequence[Note], rng: np.random.Generator, length: int) -> Mono:
    """A breath before each note that follows a rest of more than a third of a second."""
    track, silent_since = np.zeros(length, np.float32), 0.0
    for note in notes:
        if note.start - silent_since > 0.35:
            add(track, 0.035 * _puff(rng, 800, 5000, 0.25), note.start - 0.28)
        silent_since = note.start + note.seconds
    return track


def _puff(rng: np.random.Generator, low: float, high: float, seconds: float) -> Mono:
    noise = rng.standard_normal(round(seconds * RATE)) * np.hanning(round(seconds * RATE))
    return bandpass(noise, low, high).astype(np.float32)
