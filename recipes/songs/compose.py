"""Writing songs at random: key, tempo, metre, chords, drums, bass, several accompanying parts and a melody with words' rhythm.

Every range is a value of STYLE. Times are seconds, pitches MIDI numbers.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from unsung.data.synth.score import CONSONANTS, VOWELS, Note

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10), (0, 2, 3, 5, 7, 8, 11))
DRUMS = {"kick": (35, 36), "snare": (38, 40, 37, 39), "closed": (42, 44), "open": (46,), "crash": (49, 57), "ride": (51, 59, 53)}
DRUMS |= {"tom": (41, 43, 45, 47, 48, 50), "more": (54, 56, 69, 70, 62, 63, 64, 75, 60, 61)}
STYLE = {
    "tempo": (62.0, 185.0),  # quarters a minute
    "swing": 0.25,  # probability
    "triple": 0.12,  # three quarters a bar
    "no_drums": 0.12,
    "no_bass": 0.08,
    "parts": (1, 4),  # accompanying instruments
    "lead": 0.45,  # an instrument with a melody of its own
    "bends": 0.6,  # of a lead: it moves as voices do
    "loose": (0.0, 0.02),  # seconds by which players miss the beat
    "rest": (0.05, 0.6),  # of the melody's phrases
    "syllables": (1.0, 5.5),  # a second, at the melody's busiest
}


@dataclass(frozen=True)
class Part:
    """What one instrument plays; `bent` notes glide and have vibrato."""

    role: str  # bass, chords, lead
    notes: list[Note]
    bent: bool = False


@dataclass(frozen=True)
class Melody:
    """What is sung, and the scale it is in."""

    notes: list[Note]
    seconds: float
    key: int
    scale: tuple[int, ...]

    def harmony(self, steps: int) -> "Melody":
        """The same words, `steps` of the scale higher."""
        ladder = [12 * octave + self.key + step for octave in range(11) for step in self.scale]
        near = [min(range(len(ladder)), key=lambda i, n=note: abs(ladder[i] - n.pitch)) for note in self.notes]
        notes = [replace(n, pitch=ladder[min(max(i + steps, 0), len(ladder) - 1)]) for n, i in zip(self.notes, near, strict=True)]
        return replace(self, notes=notes)


@dataclass(frozen=True)
class Song:
    """All that is played and sung; drums as (seconds, MIDI number, strength)."""

    melody: Melody
    drums: list[tuple[float, int, float]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def harmony(self, steps: int) -> Melody:
        """The melody, `steps` of the scale higher."""
        return self.melody.harmony(steps)


class Composer:
    """One song's choices."""

    def __init__(self, rng: np.random.Generator, seconds: float, style: dict) -> None:
        self.rng, self.seconds, self.style = rng, seconds, style
        self.key, self.scale = int(rng.integers(12)), SCALES[rng.choice(len(SCALES), p=(0.4, 0.3, 0.1, 0.1, 0.1))]
        self.beats = 3 if rng.random() < style["triple"] else 4
        self.step = 60 / np.exp(rng.uniform(*np.log(style["tempo"]))) / 4  # a sixteenth
        self.swing = rng.uniform(0.1, 0.33) if rng.random() < style["swing"] else 0.0
        self.loose = rng.uniform(*style["loose"])
        self.bar = 4 * self.beats
        self.bars = int(seconds / self.step / self.bar) + 1
        turn = int(rng.choice([2, 4, 4, 4, 8]))
        round_of_chords = [int(rng.choice(7, p=[0.35, 0.07, 0.05, 0.18, 0.17, 0.15, 0.03])) for _ in range(turn)]
        self.chords = [round_of_chords[b % turn] for b in range(self.bars)]
        self.seventh = rng.random() < 0.35

    def time(self, place: float) -> float:
        """Seconds of a sixteenth, swung and missed a little."""
        late = self.swing if int(place) % 4 in (1, 3) else 0.0
        return max(0.0, (place + late) * self.step + self.rng.normal(0, self.loose / 2))

    def pitch(self, degree: int) -> int:
        """Degree 0 is the key's C4..B4."""
        return 60 + self.key + 12 * (degree // 7) + self.scale[degree % 7]

    def pattern(self, low: float, high: float) -> list[int]:
        """Sixteenths of a bar, the stronger ones more often."""
        density = self.rng.uniform(low, high)
        weights = [1.6 if p % 4 == 0 else 1.0 if p % 2 == 0 else 0.35 for p in range(self.bar)]
        chosen = [p for p in range(self.bar) if self.rng.random() < density * weights[p]]
        return chosen or [0]

    def drums(self) -> list[tuple[float, int, float]]:
        """A pattern for each drum, played with accents, ghost notes, fills and crashes."""
        rng = self.rng
        kit = {name: int(numbers[rng.integers(len(numbers))]) for name, numbers in DRUMS.items()}
        four = rng.random() < 0.25
        kick = list(range(0, self.bar, 4)) if four else sorted({0, *self.pattern(0.05, 0.35)})
        snare = list(range(4, self.bar, 8)) if rng.random() < 0.75 else self.pattern(0.05, 0.3)
        hat = list(range(0, self.bar, int(rng.choice([1, 2, 2, 2, 4]))))
        cymbal = str(rng.choice(["closed", "closed", "open", "ride"]))
        lines = {"kick": kick, "snare": snare, cymbal: hat}
        if rng.random() < 0.4:
            lines["more"] = self.pattern(0.1, 0.5)
        hits = []
        begin = int(rng.integers(0, 4)) if rng.random() < 0.3 else 0
        for bar in range(begin, self.bars):
            for drum, places in lines.items():
                for place in places:
                    if rng.random() < 0.95:
                        accent = 1.0 if place % 4 == 0 else 0.7
                        hits.append((self.time(bar * self.bar + place), kit[drum], accent * rng.uniform(0.75, 1)))
            if bar % 4 == 3 and rng.random() < 0.7:
                for place in range(self.bar - int(rng.integers(2, 8)), self.bar):
                    number = int(rng.choice(DRUMS["tom"])) if rng.random() < 0.6 else kit["snare"]
                    hits.append((self.time(bar * self.bar + place), number, rng.uniform(0.5, 1)))
            if bar % 4 == 0 and rng.random() < 0.5:
                hits.append((self.time(bar * self.bar), kit["crash"], rng.uniform(0.6, 1)))
        return hits

    def bass(self) -> Part:
        """Roots, now and then another tone, at a place between E1 and E3."""
        rng, pattern, notes = self.rng, self.pattern(0.1, 0.6), []
        lowest = int(rng.integers(28, 40))
        for bar, degree in enumerate(self.chords):
            for place, following in zip(pattern, [*pattern[1:], self.bar], strict=True):
                other = int(rng.choice([0, 4, 2, 7, 1])) if place and rng.random() < 0.3 else 0
                pitch = (self.pitch(degree + other) - lowest) % 12 + lowest
                length = (following - place) * self.step * rng.uniform(0.5, 1)
                notes.append(Note(self.time(bar * self.bar + place), length, pitch, rng.uniform(0.7, 1)))
        return Part("bass", notes)

    def accompaniment(self) -> Part:
        """Chords: held, repeated, broken, or only root and fifth."""
        rng, notes = self.rng, []
        kind = str(rng.choice(["held", "rhythm", "rhythm", "broken", "power"]))
        pattern = [0] if kind == "held" else self.pattern(0.5, 1.0) if kind == "broken" else self.pattern(0.1, 0.7)
        low, strum = int(rng.integers(43, 66)), rng.uniform(0, 0.03)
        for bar, degree in enumerate(self.chords):
            steps = (0, 4, 7) if kind == "power" else (0, 2, 4, 6) if self.seventh else (0, 2, 4)
            pitches = sorted((self.pitch(degree + s) - low) % 12 + low for s in steps)
            if kind == "broken":
                pitches = sorted({p + 12 * o for p in pitches for o in (0, 1)})
            for count, (place, following) in enumerate(zip(pattern, [*pattern[1:], self.bar], strict=True)):
                start, length = self.time(bar * self.bar + place), (following - place) * self.step * rng.uniform(0.4, 1.05)
                if kind == "broken":
                    pitch = pitches[(count * int(rng.choice([1, 1, 2]))) % len(pitches)]
                    notes.append(Note(start, max(length, 0.3), pitch, rng.uniform(0.6, 1)))
                else:
                    notes += [Note(start + i * strum, length, p, rng.uniform(0.7, 1)) for i, p in enumerate(pitches)]
        return Part("chords", notes)

    def line(self, lowest: int, rest: float, busy: float) -> list[Note]:
        """A melody of phrases over small steps, chord tones on the beat; syllables as long as words have them."""
        rng, notes = self.rng, []
        bottom = next(d for d in range(-35, 35) if self.pitch(d) >= lowest)
        degree, span = bottom + int(rng.integers(1, 7)), int(rng.integers(5, 12))
        place, end = float(rng.integers(0, self.bar)), self.bars * self.bar
        shortest = max(1, round(1 / busy / self.step))
        while place < end - 2:
            stop = place + int(rng.integers(1, 4)) * self.bar // 2 * 2
            while place < min(stop, end - 2):
                count = shortest * int(rng.choice([1, 1, 1, 2, 2, 3, 4], p=[0.2, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05]))
                degree += int(rng.choice([-3, -2, -1, -1, 0, 0, 1, 1, 2, 3]))
                chord = self.chords[min(int(place) // self.bar, self.bars - 1)]
                if place % 4 == 0:
                    degree = min(range(degree - 3, degree + 4), key=lambda d: (((d - chord) % 7) not in (0, 2, 4), abs(d - degree)))
                degree = int(np.clip(degree, bottom, bottom + span))
                last = place + count >= stop
                length = count * self.step * (rng.uniform(1, 3) if last else rng.uniform(0.75, 1.0))
                words = VOWELS[rng.integers(5)], CONSONANTS[rng.integers(len(CONSONANTS))]
                notes.append(Note(self.time(place), length, self.pitch(degree), rng.uniform(0.6, 1.0), *words))
                place += count
                if last:
                    place += round((length / self.step) - count)
            if rng.random() < rest:
                place += int(rng.integers(2, 2 * self.bar))
        ends = [*(note.start for note in notes[1:]), np.inf]  # nobody sings two notes at once
        return [replace(n, seconds=max(0.05, min(n.seconds, end - n.start))) for n, end in zip(notes, ends, strict=True)]

    def lead(self) -> Part:
        """An instrument with phrases, in a voice's register more often than not."""
        notes = self.line(int(self.rng.integers(45, 72)), self.rng.uniform(0.3, 0.9), self.rng.uniform(2, 8))
        return Part("lead", notes, bent=self.rng.random() < self.style["bends"])


def compose(rng: np.random.Generator, seconds: float, lowest: int, style: dict = STYLE) -> Song:
    """Write a song for a singer whose lowest comfortable note is `lowest`."""
    composer = Composer(rng, seconds, style)
    rest, busy = rng.uniform(*style["rest"]), rng.uniform(*style["syllables"])
    melody = [n for n in composer.line(lowest, rest, busy) if n.start < seconds - 0.3]
    parts = [] if rng.random() < style["no_bass"] else [composer.bass()]
    parts += [composer.accompaniment() for _ in range(rng.integers(*style["parts"], endpoint=True))]
    if rng.random() < style["lead"]:
        parts.append(composer.lead())
    drums = [] if rng.random() < style["no_drums"] else composer.drums()
    return Song(Melody(melody, seconds, composer.key, composer.scale), drums, parts)
