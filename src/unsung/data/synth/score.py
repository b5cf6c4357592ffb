"""Writing a song: key, tempo, chords, drums, bass, and a melody in phrases with rests."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Scale = tuple[int, ...]  # semitones above the key
Event = TypeVar("Event", "Note", "Hit")
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
# Degrees of the scale, one a bar; four bars go round.
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 0, 4), (0, 2, 3, 4), (0, 3, 5, 4), (1, 4, 0, 0))
# Sixteenths of a bar: kick, snare, hi-hat, the beat of different styles.
GROOVES = (
    ((0, 8), (4, 12), (0, 2, 4, 6, 8, 10, 12, 14)),
    ((0, 6, 10), (4, 12), (0, 2, 4, 6, 8, 10, 12, 14)),
    ((0, 4, 8, 12), (4, 12), (2, 6, 10, 14)),
    ((0, 7, 10), (4, 12, 15), tuple(range(16))),
    ((0, 10), (8,), (0, 3, 6, 8, 11, 14)),
)
RHYTHMS = ((2, 2, 4), (4, 2, 2), (3, 3, 2), (2, 2, 2, 2), (6, 2), (1, 1, 2, 4), (3, 1, 4), (8,))  # in sixteenths, half a bar
VOWELS = "aeiou"
CONSONANTS = ("none", "none", "nasal", "nasal", "plosive", "plosive", "hiss", "hush")


@dataclass(frozen=True)
class Note:
    """A note of any part; the vowel and the consonant are for the singer."""

    start: float  # seconds
    seconds: float
    pitch: int  # MIDI number, 69 is 440 Hz
    strength: float = 1.0
    vowel: str = ""
    consonant: str = ""


@dataclass(frozen=True)
class Hit:
    """A stroke on a drum: kick, snare or hat."""

    start: float  # seconds
    drum: str
    strength: float


@dataclass(frozen=True)
class Score:
    """The notes of all parts, each in the order of time but for what a drummer plays."""

    drums: list[Hit]
    bass: list[Note]
    chords: list[Note]
    lead: list[Note]
    melody: list[Note]


def compose(rng: np.random.Generator, seconds: float, lowest: int) -> Score:
    """Write a song for a singer whose lowest comfortable note is `lowest` (MIDI number)."""
    sixteenth = 60 / rng.uniform(84, 132) / 4
    key, scale = int(rng.integers(12)), MAJOR if rng.random() < 0.55 else MINOR
    bars = [PROGRESSIONS[rng.integers(len(PROGRESSIONS))][bar % 4] for bar in range(int(seconds / sixteenth / 16) + 1)]
    end = seconds - 0.3
    return Score(
        drums=_until(end, _drums(rng, len(bars), sixteenth)),
        bass=_until(end, _bass(rng, bars, key, scale, sixteenth)),
        chords=_until(end, _chords(rng, bars, key, scale, sixteenth)),
        lead=_until(end, _lead(rng, bars, key, scale, sixteenth)),
        melody=_until(end, _melody(rng, bars, key, scale, sixteenth, lowest)),
    )


def _until(end: float, events: list[Event]) -> list[Event]:
    return [event for event in events if event.start < end]


def _pitch(degree: int, key: int, scale: Scale) -> int:
    """The MIDI number of a scale degree, degree 0 being the key's C4..B4."""
    return 60 + key + 12 * (degree // 7) + scale[degree % 7]


def _drums(rng: np.random.Generator, bars: int, sixteenth: float) -> list[Hit]:
    kick, snare, hat = GROOVES[rng.integers(len(GROOVES))]
    hits = []
    for bar in range(bars):
        for drum, pattern in (("kick", kick), ("snare", snare), ("hat", hat)):
            for place in pattern:
                late = rng.normal(0, 0.004)  # seconds: nobody plays like a clock
                accent = 1.0 if place % 4 == 0 else 0.7
                hits.append(Hit(max(0.0, (16 * bar + place) * sixteenth + late), drum, accent * rng.uniform(0.8, 1.0)))
        if bar % 4 == 3:  # a fill leads into the next four bars
            hits += [Hit((16 * bar + place) * sixteenth, "snare", rng.uniform(0.4, 0.8)) for place in (13, 14, 15)]
    return hits


def _bass(rng: np.random.Generator, bars: list[int], key: int, scale: Scale, sixteenth: float) -> list[Note]:
    pattern = ((0, 6), (0, 4, 8, 12), (0, 6, 8, 14), (0, 2, 6, 8, 10, 14))[rng.integers(4)]
    notes = []
    for bar, degree in enumerate(bars):
        for place, following in zip(pattern, (*pattern[1:], 16), strict=True):
            step = 4 if place and rng.random() < 0.25 else 0  # now and then the fifth
            pitch = (_pitch(degree + step, key, scale) - 60) % 12 + 33
            length = (following - place) * sixteenth * rng.uniform(0.7, 0.98)
            notes.append(Note((16 * bar + place) * sixteenth, length, pitch, rng.uniform(0.8, 1.0)))
    return notes


def _chords(rng: np.random.Generator, bars: list[int], key: int, scale: Scale, sixteenth: float) -> list[Note]:
    pattern = ((0,), (0, 8), (0, 6, 12), (0, 4, 8, 12), (2, 6, 10, 14))[rng.integers(5)]
    seventh = rng.random() < 0.4
    notes = []
    for bar, degree in enumerate(bars):
        pitches = [(_pitch(degree + step, key, scale) - 50) % 12 + 50 for step in ((0, 2, 4, 6) if seventh else (0, 2, 4))]
        for place, following in zip(pattern, (*pattern[1:], 16), strict=True):
            strum = rng.uniform(0, 0.02)
            notes += [
                Note((16 * bar + place) * sixteenth + i * strum, (following - place) * sixteenth, pitch, rng.uniform(0.7, 1.0))
                for i, pitch in enumerate(sorted(pitches))
            ]
    return notes


def _lead(rng: np.random.Generator, bars: list[int], key: int, scale: Scale, sixteenth: float) -> list[Note]:
    """An instrument that answers the singer with runs of chord tones, in every third bar or so."""
    notes = []
    for bar, degree in enumerate(bars):
        if rng.random() < 0.35:
            for place in range(0, 16, 2):
                if rng.random() < 0.7:
                    pitch = _pitch(degree + 2 * int(rng.integers(4)), key, scale)
                    notes.append(Note((16 * bar + place) * sixteenth, 1.8 * sixteenth, pitch, rng.uniform(0.6, 1.0)))
    return notes


def _melody(rng: np.random.Generator, bars: list[int], key: int, scale: Scale, sixteenth: float, lowest: int) -> list[Note]:
    """Phrases of one or two bars in small steps, chord tones on the beat, a rest after each."""
    notes: list[Note] = []
    lowest_degree = next(d for d in range(-28, 28) if _pitch(d, key, scale) >= lowest)
    degree = lowest_degree + int(rng.integers(2, 7))
    bar = int(rng.integers(0, 2))
    while bar < len(bars):
        length = int(rng.integers(1, 3))
        for half in range(2 * length):
            if bar + half // 2 >= len(bars):
                break
            place = 16 * bar + 8 * half
            chord = bars[bar + half // 2]
            last = half == 2 * length - 1
            for count in (4,) if last else RHYTHMS[rng.integers(len(RHYTHMS))]:
                degree = _next_degree(rng, degree, chord, lowest_degree, on_beat=place % 8 == 0)
                seconds = count * sixteenth * (0.95 if rng.random() < 0.8 else 0.7)
                vowel, consonant = VOWELS[rng.integers(5)], CONSONANTS[rng.integers(len(CONSONANTS))]
                pitch = _pitch(degree, key, scale)
                notes.append(Note(place * sixteenth, seconds, pitch, rng.uniform(0.7, 1.0), vowel, consonant))
                place += count
        bar += length + int(rng.random() < 0.3)
    return notes


def _next_degree(rng: np.random.Generator, degree: int, chord: int, lowest: int, on_beat: bool) -> int:
    degree += int(rng.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3]))
    if on_beat:  # move to the nearest tone of the chord
        degree = min(range(degree - 3, degree + 4), key=lambda d: (((d - chord) % 7) not in (0, 2, 4), abs(d - degree)))
    return int(np.clip(degree, lowest, lowest + 9))
