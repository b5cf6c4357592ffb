"""Playing drums, bass and chords: sums of sines for tones, noise and falling sines for drums."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from scipy import signal

from unsung.data.synth.score import Hit, Note

RATE = 44_100  # Hz
Mono = np.ndarray  # (sample,) float32
Pitch = TypeVar("Pitch", float, np.ndarray)


def frequency(pitch: Pitch) -> Pitch:
    """MIDI number to Hz."""
    return 440.0 * 2 ** ((pitch - 69) / 12)


def add(track: Mono, sound: Mono, start: float) -> None:
    """Mix `sound` into `track` from `start` seconds on; what reaches beyond the end is cut."""
    at = round(start * RATE)
    room = max(0, min(len(sound), len(track) - at))
    track[at : at + room] += sound[:room]


def harmonics(base: float, amplitudes: Sequence[float], length: int, stretch: float = 0.0) -> np.ndarray:
    """Sines at multiples of `base` Hz below 16 kHz, (harmonic, sample); `stretch` sharpens them."""
    numbers = np.arange(1, len(amplitudes) + 1)
    pitches = base * numbers * np.sqrt(1 + stretch * numbers**2)
    kept = pitches < 16_000
    phase = np.arange(length, dtype=np.float32)[None] * np.float32(2 * np.pi / RATE) * pitches[kept, None].astype(np.float32)
    return (np.asarray(amplitudes)[kept, None] * np.sin(phase)).astype(np.float32)


def decaying(note: Note, amplitudes: Sequence[float], decay: float, brightness: float, stretch: float = 0.0) -> Mono:
    """A struck or plucked tone: higher harmonics fade sooner."""
    length = round(min(note.seconds + 0.25, 2.5) * RATE)
    seconds = np.arange(length, dtype=np.float32) / RATE
    parts = harmonics(frequency(note.pitch), amplitudes, length, stretch)
    rates = decay * (1 + brightness * np.arange(len(parts), dtype=np.float32))
    parts *= np.exp(-rates[:, None] * seconds)
    return note.strength * parts.sum(0) * _envelope(length, 0.003, 0.08)


def sustained(note: Note, amplitudes: Sequence[float], attack: float, release: float) -> Mono:
    """A tone that is held: three voices slightly out of tune."""
    length = round((note.seconds + release) * RATE)
    base = frequency(note.pitch)
    sound = sum(harmonics(base * detune, amplitudes, length).sum(0) for detune in (0.9975, 1.0, 1.003))
    return note.strength * sound * _envelope(length, attack, release) / 3


def _envelope(length: int, attack: float, release: float) -> Mono:
    envelope = np.ones(length, np.float32)
    rise, fall = min(length, round(attack * RATE)), min(length, round(release * RATE))
    envelope[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    envelope[length - fall :] *= np.linspace(1, 0, fall, dtype=np.float32)
    return envelope


def _saw(count: int, tilt: float) -> list[float]:
    return [1 / k**tilt for k in range(1, count + 1)]


TIMBRES: dict[str, Callable[[Note], Mono]] = {
    "piano": lambda note: decaying(note, _saw(14, 1.3), 1.6, 0.35, 4e-4),
    "guitar": lambda note: decaying(note, [k % 5 and 1 / k**0.9 for k in range(1, 19)], 2.2, 0.25, 1e-4),
    "electric piano": lambda note: decaying(note, [1, 0.15, 0.3, 0.05, 0.12, 0.02, 0.08], 1.2, 0.6),
    "vibraphone": lambda note: decaying(note, [1, 0, 0, 0.5, 0, 0, 0, 0, 0, 0.2], 1.5, 0.15),
    "organ": lambda note: sustained(note, [1, 0.7, 0.5, 0.4, 0, 0.25, 0, 0.3], 0.01, 0.05),
    "strings": lambda note: sustained(note, _saw(16, 1.1), 0.18, 0.25),
    "synth": lambda note: sustained(note, [1 / k * (k % 2) for k in range(1, 20)], 0.02, 0.1),
    "brass": lambda note: sustained(note, [0.6, 1, 0.9, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1], 0.06, 0.08),
    "finger bass": lambda note: decaying(note, _saw(10, 1.2), 2.5, 0.5),
    "synth bass": lambda note: sustained(note, _saw(8, 1.4), 0.005, 0.04),
}
CHORD_TIMBRES = ("piano", "guitar", "electric piano", "organ", "strings", "synth")
LEAD_TIMBRES = ("guitar", "vibraphone", "brass", "synth", "electric piano")
BASS_TIMBRES = ("finger bass", "synth bass")


def play_notes(notes: Sequence[Note], timbre: str, length: int) -> Mono:
    """Play a part on an instrument of TIMBRES, (sample,)."""
    track = np.zeros(length, np.float32)
    for note in notes:
        add(track, TIMBRES[timbre](note).astype(np.float32), note.start)
    return track


def play_drums(hits: Sequence[Hit], rng: np.random.Generator, length: int) -> dict[str, Mono]:
    """Play kick, snare and hat of a drum kit made for the song, each on its own track (sample,)."""
    kit = {"kick": _kick(rng), "snare": _snare(rng), "hat": _hat(rng)}
    tracks = {drum: np.zeros(length, np.float32) for drum in kit}
    for hit in hits:
        add(tracks[hit.drum], (hit.strength * kit[hit.drum]).astype(np.float32), hit.start)
    return tracks


def _kick(rng: np.random.Generator) -> Mono:
    t = np.arange(round(0.35 * RATE)) / RATE
    pitch = rng.uniform(42, 60) + rng.uniform(60, 140) * np.exp(-t / 0.03)
    body = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.exp(-t / rng.uniform(0.07, 0.13))
    click = rng.standard_normal(len(t)) * np.exp(-t / 0.003)
    return 1.2 * body + 0.15 * click


def _snare(rng: np.random.Generator) -> Mono:
    t = np.arange(round(0.3 * RATE)) / RATE
    body = np.sin(2 * np.pi * rng.uniform(160, 230) * t) * np.exp(-t / 0.05)
    wires = bandpass(rng.standard_normal(len(t)), 900, 9000) * np.exp(-t / rng.uniform(0.06, 0.12))
    return 0.5 * body + 0.7 * wires


def _hat(rng: np.random.Generator) -> Mono:
    t = np.arange(round(0.12 * RATE)) / RATE
    return 0.4 * bandpass(rng.standard_normal(len(t)), rng.uniform(5000, 7500), 16_000) * np.exp(-t / rng.uniform(0.015, 0.04))


def bandpass(noise: Mono, low: float, high: float) -> Mono:
    """Noise between `low` and `high` Hz."""
    return signal.sosfilt(signal.butter(2, (low, high), "bandpass", fs=RATE, output="sos"), noise)
