"""Arrangements that people wrote, played on soundfonts: MIDI files, and those inside Doom's WAD files.

    python -m recipes.songs.midi POOLS [--seconds 60] [--takes 1] [--seed 0]

makes POOLS/arranged/*.flac, accompaniments. Each take draws soundfont, tempo, key, an excerpt, and for some channels another
instrument of the same family and production of their own. Choirs and voices play strings: what sings is a vocal.
"""

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML
from tinysoundfont import midi

from recipes.songs.band import INSTRUMENTS, amplified, loaded
from recipes.songs.declare import SOURCES, declare, sources
from recipes.songs.fetch import unpacked
from recipes.songs.production import RATE, Stereo, levelled, produce

SUNG = (52, 53, 54, 85, 91)  # General MIDI's choirs and voices
DRUMS = 9  # the channel


def scores(file: Path) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of the MIDI data in a file."""
    data = file.read_bytes()
    if data[:4] not in {b"IWAD", b"PWAD"}:
        yield file.stem, data
        return
    count, directory = struct.unpack("<ii", data[4:12])
    for lump in range(count):
        at, length, name = struct.unpack_from("<ii8s", data, directory + 16 * lump)
        if data[at : at + 4] == b"MThd":
            yield f"{file.stem}-{name.rstrip(bytes(1)).decode()}", data[at : at + length]


def events_of(data: bytes, rng: np.random.Generator) -> list[midi.Event]:
    """The events of a score, at another tempo, in another key, with other instruments here and there."""
    speed, semitones = rng.uniform(0.85, 1.15), int(rng.integers(-4, 5))
    other = {program: program for program in range(128)}
    for program in range(128):
        if program in SUNG:
            other[program] = int(rng.choice((48, 49, 50, 51, 89)))
        elif rng.random() < 0.35:
            other[program] = next(int(p) for p in rng.permutation(np.arange(8)) + program // 8 * 8 if p not in SUNG)
    found = midi.load_memory(data, persistent=False)
    for event in found:
        event.t /= speed
        if event.channel != DRUMS:
            match event.action:
                case midi.ProgramChange(program):
                    event.action.program = other[program]
                case midi.NoteOn(key, _) | midi.NoteOff(key):
                    event.action.key = int(np.clip(key + semitones, 0, 127))
    return sorted(found, key=lambda event: event.t)


def played(events: list[midi.Event], channel: int, font: Path, start: float, seconds: float) -> Stereo:
    """What one channel plays from `start` on, (sample, 2)."""
    synth, number = loaded(font)
    synth.sounds_off()
    for control, value in ((7, 100), (10, 64), (11, 127), (101, 0), (100, 0), (6, 2)):  # volume, place, expression, bends of 2
        synth.control_change(channel, control, value)
    synth.pitchbend(channel, 8192)
    synth.program_select(channel, number, 128 if channel == DRUMS else 0, 0, channel == DRUMS)
    at, pieces, end = 0, [], round(seconds * RATE)
    for event in events:
        if event.channel != channel:
            continue
        now = min(round((event.t - start) * RATE), end)
        if now > at:
            pieces.append(np.frombuffer(bytes(synth.generate(now - at)), np.float32).reshape(-1, 2))
            at = now
        match event.action:
            case midi.NoteOn(key, velocity) if now >= 0 and now < end:
                synth.noteon(channel, key, velocity)
            case midi.NoteOff(key):
                synth.noteoff(channel, key)
            case midi.ControlChange(control, value):
                synth.control_change(channel, control, value)
            case midi.PitchBend(value):
                synth.pitchbend(channel, value)
            case midi.ProgramChange(program):
                synth.program_change(channel, program, channel == DRUMS)
    if end > at:
        pieces.append(np.frombuffer(bytes(synth.generate(end - at)), np.float32).reshape(-1, 2))
    synth.sounds_off()
    return np.concatenate(pieces)


def arrangement(data: bytes, fonts: list[Path], seconds: float, rng: np.random.Generator) -> Stereo:
    """An excerpt of a score, mixed."""
    events = events_of(data, rng)
    font = fonts[rng.integers(len(fonts))]
    start = rng.uniform(0, max(0.0, events[-1].t - seconds))
    seconds = min(seconds, events[-1].t)
    total = np.zeros((round(seconds * RATE), 2), np.float32)
    for channel in sorted({event.channel for event in events if isinstance(event.action, midi.NoteOn)}):
        sound = played(events, channel, font, start, seconds)
        if not sound.any():
            continue
        sound = sound * np.float32(10 ** (rng.uniform(-5, 5) / 20))
        luck = rng.random()
        if channel != DRUMS and luck < 0.3:
            level = np.sqrt((sound**2).mean())
            made = amplified(sound, rng) if luck < 0.06 else produce(sound.mean(1), rng, INSTRUMENTS)
            sound = made * np.float32(level / (np.sqrt((made**2).mean()) + 1e-9))
        total += sound
    if rng.random() < 0.4:
        total = np.tanh(total / (np.abs(total).max() + 1e-9) * rng.uniform(0.8, 2.5)).astype(np.float32)
    return levelled(total, -20.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pools", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--takes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    fonts = sorted((args.pools / "soundfonts").glob("*.sf*"))
    (args.pools / "arranged").mkdir(exist_ok=True)
    declare(args.pools / "arranged", "accompaniment", sources("scores", "soundfonts"))
    for source in YAML(typ="safe").load(SOURCES)["scores"].values():
        root = unpacked(source["package"], args.pools / ".packages")
        everything = [found for file in sorted(root.glob(source["files"])) for found in scores(file)]
        for number, (name, data) in enumerate(everything):
            for take in range(args.takes):
                path = args.pools / "arranged" / f"{name}-{take}.flac"
                if not path.exists():
                    rng = np.random.default_rng([args.seed, 2, number, take])
                    sound = arrangement(data, fonts, args.seconds, rng)
                    soundfile.write(path.with_suffix(".part"), sound, RATE, "PCM_16", format="FLAC")
                    path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
