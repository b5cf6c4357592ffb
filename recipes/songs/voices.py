"""Voices as records have them, out of dry recordings: as they are, moved in pitch and tract, and singing composed melodies.

    python -m recipes.songs.voices VOICES OUT [--speech] [--by world|psola|nothing] [--minutes 240] [--seed 0]

VOICES holds folders of dry mono recordings; one with a `segments.tsv` (file, start, end) is a bank of syllables. By WORLD (Morise
et al. 2016, doi:10.1587/transinf.2015EDP7457), about a third of the takes is the recording itself, the others are vocoded; of
spoken banks (`--speech`) nearly all are. By PSOLA, pitch and speed change as well, but no sound is a vocoder's. By nothing, all are
as they were recorded. Takes are numbered; one that exists is passed over, so that a run that was stopped goes on.
"""

import argparse
import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyworld
import soundfile
import soxr
from scipy import ndimage

from recipes.songs import psola
from recipes.songs.compose import Melody, compose
from recipes.songs.declare import declare, sources
from recipes.songs.production import RATE, Mono, levelled, produce
from recipes.songs.psola import PERIOD

By = Literal["world", "psola", "nothing"]
WAYS = {  # how often a take is the recording, moved, given another melody, or a melody on syllables; of singing, of speech
    ("world", False): (0.35, 0.25, 0.1, 0.3),
    ("world", True): (0.1, 0.05, 0.45, 0.4),
    ("psola", False): (0.0, 0.6, 0.4, 0.0),
    ("psola", True): (0.0, 0.1, 0.9, 0.0),
    ("nothing", False): (1.0, 0.0, 0.0, 0.0),
    ("nothing", True): (1.0, 0.0, 0.0, 0.0),
}


@dataclass(frozen=True)
class Frames:
    """A voice taken apart: pitch in Hz (0 where there is none), envelope and aperiodicity, a row every PERIOD ms."""

    f0: np.ndarray
    envelope: np.ndarray
    noise: np.ndarray

    def at(self, places: np.ndarray) -> "Frames":
        """The frames nearest to fractional places: another speed."""
        near = np.clip(np.rint(places).astype(int), 0, len(self.f0) - 1)
        return Frames(self.f0[near], self.envelope[near], self.noise[near])

    def tract(self, factor: float) -> "Frames":
        """Formants moved by `factor`."""
        bins = np.arange(self.envelope.shape[1])
        source = np.minimum(bins / factor, bins[-1])
        low, part = np.floor(source).astype(int), source % 1
        high = np.minimum(low + 1, bins[-1])
        moved = [np.ascontiguousarray(x[:, low] * (1 - part) + x[:, high] * part) for x in (self.envelope, self.noise)]
        return Frames(self.f0, *moved)

    def sound(self, f0: np.ndarray) -> Mono:
        """Put together again with another pitch."""
        return pyworld.synthesize(np.ascontiguousarray(f0), self.envelope, self.noise, RATE, PERIOD).astype(np.float32)


def pitch_of(dry: Mono) -> tuple[np.ndarray, np.ndarray]:
    """Hz, 0 where there is none, and seconds of each frame."""
    x = dry.astype(np.float64)
    f0, times = pyworld.dio(x, RATE, f0_floor=65.0, f0_ceil=1000.0, frame_period=PERIOD)
    return pyworld.stonemask(x, f0, times, RATE), times


def take_apart(dry: Mono) -> Frames:
    """WORLD's analysis."""
    f0, times = pitch_of(dry)
    x = dry.astype(np.float64)
    return Frames(f0, pyworld.cheaptrick(x, f0, times, RATE), pyworld.d4c(x, f0, times, RATE))


def parts_of(dry: Mono, by: By) -> Frames | psola.Grains:
    """A voice, to be put together again at another pitch."""
    return psola.cut(dry, pitch_of(dry)[0]) if by == "psola" else take_apart(dry)


@cache
def own_pitch(folder: Path) -> float:
    """The median pitch of a voice in Hz, by the first minute of its first file."""
    dry, _ = soundfile.read(sorted(folder.glob("*.ogg"))[0], frames=60 * RATE, dtype="float32")
    f0, _ = pyworld.dio(dry.astype(np.float64), RATE, f0_floor=65.0, f0_ceil=1000.0, frame_period=20.0)
    return float(np.median(f0[f0 > 0]))


def human(points: int, rng: np.random.Generator) -> np.ndarray:
    """Semitones by which nobody holds a note exactly."""
    drift = ndimage.gaussian_filter1d(rng.standard_normal(points), 30) * rng.uniform(0.3, 1.2)
    jitter = ndimage.gaussian_filter1d(rng.standard_normal(points), 3) * rng.uniform(0.03, 0.12)
    return drift + jitter


def moved(frames: Frames | psola.Grains, own: float, rng: np.random.Generator) -> list[Mono]:
    """The same song by another singer; sometimes with a harmony. Low voices are scarce, so others go down more often."""
    goal = np.exp(rng.uniform(np.log(90), np.log(420)))
    semitones = np.clip(12 * np.log2(goal / own), -14, 12)
    if rng.random() < 0.3:
        semitones = rng.uniform(-4, 4)
    tract = float(np.clip(2 ** (semitones / 12 * rng.uniform(0.1, 0.5)) * rng.uniform(0.92, 1.08), 0.78, 1.3))
    slower = frames.at(np.arange(0, len(frames.f0) - 1, rng.uniform(0.75, 1.25))).tract(tract)
    f0 = slower.f0 * 2 ** (semitones / 12)
    parts = [slower.sound(f0 * 2 ** (human(len(f0), rng) / 12))]
    if rng.random() < 0.25:
        interval = rng.choice([-12, -5, -4, -3, 3, 4, 5, 7, 12])
        parts.append(slower.sound(f0 * 2 ** ((interval + human(len(f0), rng)) / 12)))
    return parts


def sung(syllables: list[Frames], melody: Melody, tract: float, rng: np.random.Generator) -> Mono:
    """A melody on the syllables of a bank, (sample,): each one's beginning as it is, its end stretched to the note."""
    points = round(melody.seconds * 1000 / PERIOD)
    places, which = np.zeros(points), np.full(points, -1)
    pitch, loud = np.zeros(points), np.zeros(points)
    chosen = [syllables[i] for i in rng.integers(len(syllables), size=max(1, len(melody.notes)))]
    depth, rate, late = rng.uniform(0, 0.6), rng.uniform(4.5, 6.8), rng.uniform(0.05, 0.5)
    pitch_before = melody.notes[0].pitch if melody.notes else 60
    for number, note in enumerate(melody.notes):
        first = round(note.start * 1000 / PERIOD)
        last = min(points, first + max(8, round(note.seconds * 1000 / PERIOD)))
        if first >= last:
            continue
        own = len(chosen[number].f0)
        head, length = min(own - 1, round(own * 0.4)), last - first
        if length <= own:  # hurried: the end is cut
            walk = np.arange(length, dtype=float)
        else:
            walk = np.concatenate([np.arange(head, dtype=float), np.linspace(head, own * 0.9, length - head)])
        places[first:last], which[first:last] = walk, number
        since = np.arange(length) * PERIOD / 1000
        grown = np.clip((since - late) / 0.3, 0, 1)
        pitch[first:] = note.pitch
        pitch[first:last] += depth * grown * np.sin(2 * np.pi * rate * since)
        loud[first:last] = note.strength * np.clip(np.minimum(since / 0.015, (length - np.arange(length)) * PERIOD / 40), 0, 1)
    pitch[: round(melody.notes[0].start * 1000 / PERIOD) if melody.notes else points] = pitch_before
    pitch = ndimage.gaussian_filter1d(pitch, rng.uniform(2, 8)) + human(points, rng)
    width = syllables[0].envelope.shape[1]
    f0, envelope, noise = np.zeros(points), np.full((points, width), 1e-12), np.ones((points, width))
    for number in range(len(melody.notes)):
        here = np.flatnonzero(which == number)
        if len(here):
            part = chosen[number].at(places[here])
            f0[here], envelope[here], noise[here] = part.f0, part.envelope * loud[here, None] ** 2, part.noise
    hertz = np.where(f0 > 0, 440 * 2 ** ((pitch - 69) / 12), 0)
    return Frames(f0, np.maximum(envelope, 1e-12), noise).tract(tract).sound(hertz)


def intoned(frames: Frames | psola.Grains, melody: Melody, tract: float, rng: np.random.Generator) -> Mono:
    """What was said or sung, slower, on another melody: every moment has the pitch of the note that sounds then."""
    places = np.arange(0, len(frames.f0) - 1, 1 / rng.uniform(1.0, 2.0))
    slower, seconds = frames.at(places).tract(tract), np.arange(len(places)) * PERIOD / 1000
    starts = np.array([note.start for note in melody.notes])
    current = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, None)
    pitch = np.array([float(note.pitch) for note in melody.notes])[current]
    grown = np.clip((seconds - starts[current] - 0.2) / 0.3, 0, 1)
    pitch += rng.uniform(0, 0.5) * grown * np.sin(2 * np.pi * rng.uniform(4.5, 6.8) * seconds)
    pitch = ndimage.gaussian_filter1d(pitch, rng.uniform(2, 8)) + human(len(pitch), rng)
    return slower.sound(np.where(slower.f0 > 0, 440 * 2 ** ((pitch - 69) / 12), 0))


def register(own: float, rng: np.random.Generator) -> tuple[float, float]:
    """Where a voice is to sing, as a MIDI number, and a tract that goes with it: at most an octave from its own register."""
    hertz = float(np.clip(np.exp(rng.uniform(np.log(100), np.log(420))), own * 0.45, own * 2))
    tract = float(np.clip((hertz / own) ** rng.uniform(0.1, 0.4), 0.8, 1.25)) * rng.uniform(0.93, 1.07)
    return 69 + 12 * float(np.log2(hertz / 440)), tract


def syllables_of(folder: Path, rng: np.random.Generator, count: int) -> list[Frames]:
    """Some syllables of a bank, taken apart; of a singer without a bank, pieces of the songs."""
    listed = folder / "segments.tsv"
    if listed.exists():
        rows = list(csv.DictReader(listed.open(), delimiter="\t"))
        pieces = [(r["file"], float(r["start"]), float(r["end"])) for r in rows]
        pieces = [p for p in pieces if p[2] - p[1] > 0.12]
    else:
        files = sorted(folder.glob("*.ogg"))
        pieces = [(f.name, s, s + 0.35) for f in files for s in np.arange(0.5, soundfile.info(f).duration - 1, 0.35)]
    found: list[Frames] = []
    for i in rng.permutation(len(pieces))[: count * 2]:
        name, start, end = pieces[i]
        start += rng.uniform(0, max(0.0, end - start - 0.6))  # strings of syllables: begin at any of them
        dry, _ = soundfile.read(folder / name, start=round(start * RATE), stop=round(min(end, start + 0.6) * RATE), dtype="float32")
        frames = take_apart(dry)
        if (frames.f0 > 0).mean() > 0.5:
            loud = np.sqrt(frames.envelope.sum(1).max() + 1e-12)
            found.append(Frames(frames.f0, frames.envelope / loud**2, frames.noise))
        if len(found) == count:
            break
    return found


def piece(folder: Path, rng: np.random.Generator) -> Mono:
    """About 20 s of a voice."""
    files = sorted(folder.glob("*.ogg"))
    file = files[rng.integers(len(files))]
    start = int(rng.integers(max(1, soundfile.info(file).frames - 20 * RATE)))
    dry, rate = soundfile.read(file, start=start, frames=20 * RATE, dtype="float32")
    return dry if rate == RATE else soxr.resample(dry, rate, RATE)


def with_rests(dry: Mono, rng: np.random.Generator) -> Mono:
    """Singers pause: silence of up to two seconds at quiet places."""
    if rng.random() < 0.5:
        return dry
    at = int(rng.integers(len(dry) // 4, 3 * len(dry) // 4 + 1))
    quiet = at + int(np.argmin(ndimage.uniform_filter1d(np.abs(dry[at : at + RATE]), 2000))) if len(dry) > at else at
    fade = np.linspace(1, 0, 800, dtype=np.float32)
    before, after = dry[:quiet].copy(), dry[quiet:].copy()
    if len(before) > 800 and len(after) > 800:
        before[-800:] *= fade
        after[:800] *= fade[::-1]
    return np.concatenate([before, np.zeros(round(rng.uniform(0.3, 2) * RATE), np.float32), after])


def take(folder: Path, speech: bool, by: By, rng: np.random.Generator) -> np.ndarray:
    """One produced take of a voice, (sample, 2)."""
    way = rng.choice(["own", "moved", "intoned", "sung"], p=WAYS[by, speech])
    if way == "own":
        parts = [with_rests(piece(folder, rng), rng)]
    elif way == "moved":
        parts = moved(parts_of(with_rests(piece(folder, rng), rng), by), own_pitch(folder), rng)
    else:
        goal, tract = register(own_pitch(folder), rng)
        song = compose(rng, 20.0, lowest=round(goal) - 6)
        if way == "sung" and (bank := syllables_of(folder, rng, 14)):

            def sing(melody: Melody) -> Mono:
                return sung(bank, melody, tract, rng)
        else:
            frames = parts_of(with_rests(piece(folder, rng)[: 13 * RATE], rng), by)

            def sing(melody: Melody) -> Mono:
                return intoned(frames, melody, tract, rng)

        parts = [sing(song.melody)]
        if rng.random() < 0.3:
            parts.append(sing(song.harmony(int(rng.choice([-5, -2, 2, 4])))))
    lead = produce(parts[0], rng)
    for part in parts[1:]:
        second = produce(part, rng) * np.float32(10 ** (rng.uniform(-12, 0) / 20))
        length = min(len(lead), len(second))
        lead = lead[:length] + second[:length]
    return levelled(lead, -20.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--speech", action="store_true")
    parser.add_argument("--by", choices=["world", "psola", "nothing"], default="world")
    parser.add_argument("--minutes", type=float, default=240.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folders = sorted({f.parent for f in args.voices.rglob("*.ogg")})
    shares = np.array([4.0 if f.name == "pjs" else 1.0 for f in folders])
    args.out.mkdir(parents=True, exist_ok=True)
    declare(args.out, "vocals", sources("speech" if args.speech else "voices"))
    seconds, number = 0.0, 0
    while seconds < 60 * args.minutes:
        rng = np.random.default_rng([args.seed, number])
        folder = folders[rng.choice(len(folders), p=shares / shares.sum())]
        path = args.out / f"{args.seed}-{number:05}-{folder.name}.flac"
        if not path.exists():
            sound = take(folder, args.speech, args.by, rng)
            unfinished = path.with_suffix(".part")
            soundfile.write(unfinished, sound, RATE, "PCM_16", format="FLAC")
            unfinished.replace(path)
        seconds += soundfile.info(path).duration
        number += 1


if __name__ == "__main__":
    main()
