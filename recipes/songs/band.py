"""Composed songs, played by soundfonts and by the demo's own instruments, sung, and produced: two stems a song.

    python -m recipes.songs.band SOUNDFONTS VOICES OUT [--minutes 120] [--seed 0]

Half of the songs are sung by the demo's voice with a singer drawn more freely, half on syllables of the banks below VOICES. Leads
bend their notes as voices do; choirs and voices of the soundfonts are left out, for what sings is a vocal.
"""

import argparse
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import tinysoundfont
from scipy import signal

from recipes.songs.compose import Melody, Part, Song, compose
from recipes.songs.declare import declare, sources
from recipes.songs.production import PRODUCTION, RATE, Stereo, equalised, filtered, levelled, placed, produce, room
from recipes.songs.voices import own_pitch, register, sung, syllables_of
from unsung.data.synth import band as own
from unsung.data.synth import voice

PROGRAMS = {
    "bass": tuple(range(32, 40)),
    "chords": (
        *range(8),
        *range(16, 32),
        *range(44, 52),
        55,
        61,
        62,
        63,
        80,
        81,
        84,
        *range(86, 91),
        *range(92, 96),
        104,
        105,
        108,
    ),
    "lead": (*range(8, 16), *range(22, 31), *range(40, 44), *range(56, 85), 86, 87, 104, 106, 107, 109, 110, 111),
}
DISTORTED = (29, 30)
KITS = (0, 0, 0, 8, 16, 24, 25, 26, 32, 40, 48)
INSTRUMENTS = {
    **PRODUCTION,
    "doubles": 0.1,
    "echo": 0.12,
    "compression": 0.3,
    "saturation": 0.15,
    "room_decibels": (-30.0, -8.0),
    "aside": 0.6,
    "chorus": 0.12,
}


def play_part(synth: tinysoundfont.Synth, font: int, part: Part, program: int, seconds: float, rng: np.random.Generator) -> Stereo:
    """A part on an instrument of General MIDI, (sample, 2)."""
    synth.program_select(0, font, 0, program)
    synth.pitchbend_range(0, 12.0)
    synth.pitchbend(0, 8192)
    events: list[tuple[float, int, int, int]] = []  # seconds, kind, key, value
    depth, rate, glide = rng.uniform(0, 0.5), rng.uniform(4.5, 6.5), rng.uniform(0.03, 0.12)
    before = 0.0
    for note in part.notes:
        events.append((note.start, 1, note.pitch, int(40 + 87 * min(1.0, note.strength * rng.uniform(0.7, 1)))))
        events.append((note.start + note.seconds, 0, note.pitch, 0))
        if part.bent:
            jump = float(np.clip(before - note.pitch, -4, 4)) if before else 0.0
            for t in np.arange(0, note.seconds, 0.015):
                wave = depth * np.clip((t - 0.15) / 0.2, 0, 1) * np.sin(2 * np.pi * rate * t)
                bend = jump * max(0.0, 1 - t / glide) + wave
                events.append((note.start + t, 2, 0, int(np.clip(8192 + 8192 * bend / 12, 0, 16383))))
            before = note.pitch
    return rendered(synth, events, 0, seconds)


def play_drums(synth: tinysoundfont.Synth, font: int, hits: list[tuple[float, int, float]], kit: int, seconds: float) -> Stereo:
    """The drums on a kit of the soundfont, (sample, 2)."""
    synth.program_select(9, font, 128, kit, True)
    events = [(t, 1, number, int(127 * strength)) for t, number, strength in hits]
    return rendered(synth, events, 9, seconds)


def rendered(synth: tinysoundfont.Synth, events: list[tuple[float, int, int, int]], channel: int, seconds: float) -> Stereo:
    """What the synthesiser plays of the events."""
    at, pieces, total = 0, [], round(seconds * RATE)
    for t, kind, key, value in sorted(events, key=lambda e: (e[0], e[1])):
        now = min(round(t * RATE), total)
        if now > at:
            pieces.append(np.frombuffer(bytes(synth.generate(now - at)), np.float32).reshape(-1, 2))
            at = now
        if kind == 1:
            synth.noteon(channel, key, value)
        elif kind == 0:
            synth.noteoff(channel, key)
        else:
            synth.pitchbend(channel, value)
    if total > at:
        pieces.append(np.frombuffer(bytes(synth.generate(total - at)), np.float32).reshape(-1, 2))
    synth.sounds_off()
    return np.concatenate(pieces) if pieces else np.zeros((total, 2), np.float32)


def amplified(sound: Stereo, rng: np.random.Generator) -> Stereo:
    """Through a distorting amplifier and its cabinet."""
    mono = sound.mean(1)
    hot = np.tanh(mono / (np.abs(mono).max() + 1e-9) * np.exp(rng.uniform(np.log(3), np.log(60))))
    cabinet = signal.butter(2, (rng.uniform(60, 140), rng.uniform(3500, 7000)), "bandpass", fs=RATE, output="sos")
    hot = filtered(hot, cabinet)
    return placed(hot, 0.0) if rng.random() < 0.5 else np.stack([hot, np.roll(hot, round(rng.uniform(0.005, 0.03) * RATE))], axis=1)


@cache
def loaded(path: Path) -> tuple[tinysoundfont.Synth, int]:
    """A synthesiser with a soundfont, which takes seconds to load."""
    synth = tinysoundfont.Synth(samplerate=RATE)
    return synth, synth.sfload(str(path))


def played(song: Song, fonts: list[Path], rng: np.random.Generator) -> Stereo:
    """The accompaniment, each part produced and placed in the mix."""
    seconds = song.melody.seconds
    synth, font = loaded(fonts[rng.integers(len(fonts))])
    total = np.zeros((round(seconds * RATE), 2), np.float32)
    hall = room(rng, rng.uniform(0.2, 1.5))
    for part in song.parts:
        if part.notes and part.role != "lead" and rng.random() < 0.15:  # the demo's instruments now and then
            names = own.BASS_TIMBRES if part.role == "bass" else own.CHORD_TIMBRES
            sound = placed(own.play_notes(part.notes, names[rng.integers(len(names))], len(total)), 0.0)
        else:
            program = int(rng.choice(PROGRAMS[part.role]))
            if part.role == "chords" and rng.random() < 0.2:
                program = int(rng.choice((*DISTORTED, 27, 81)))
            sound = play_part(synth, font, part, program, seconds, rng)
            if program in DISTORTED or (part.role != "bass" and rng.random() < 0.08):
                sound = amplified(sound, rng)
        if not sound.any():
            continue
        gain = {"bass": rng.uniform(-6, 2), "chords": rng.uniform(-10, 1), "lead": rng.uniform(-10, 0)}[part.role]
        if rng.random() < 0.6 and part.role != "bass":
            sound = produce(sound.mean(1), rng, INSTRUMENTS)
        total += levelled(sound[: len(total)], -20.0) * np.float32(10 ** (gain / 20))
    if song.drums:
        drums = play_drums(synth, font, song.drums, int(rng.choice(KITS)), seconds)
        if drums.any():
            if rng.random() < 0.3:
                seed = int(rng.integers(1_000_000_000))  # both sides alike
                drums = np.stack([equalised(side, np.random.default_rng(seed), PRODUCTION) for side in drums.T], axis=1)
            if rng.random() < 0.3:
                drums = np.tanh(drums / (np.abs(drums).max() + 1e-9) * rng.uniform(1, 5)).astype(np.float32)
            total += levelled(drums, -20.0) * np.float32(10 ** (rng.uniform(-8, 3) / 20))
    wet = signal.oaconvolve(total, hall, axes=0)[: len(total)].astype(np.float32)
    total = total + wet * np.float32(10 ** (rng.uniform(-35, -12) / 20))
    if rng.random() < 0.4:  # the mix is driven into a limiter
        total = np.tanh(total / (np.abs(total).max() + 1e-9) * rng.uniform(0.8, 2.5)).astype(np.float32)
    return levelled(total, -20.0)


def free_singer(rng: np.random.Generator) -> voice.Singer:
    """The demo's singers, drawn more freely: whispers, pressed voices, wide vibrato, none."""
    singer = voice.draw_singer(rng)
    return replace(
        singer,
        lowest=singer.lowest + int(rng.integers(-5, 4)),
        tract=singer.tract * rng.uniform(0.88, 1.12),
        tilt=rng.uniform(3, 12),
        vibrato_rate=rng.uniform(4.2, 7.5),
        vibrato_depth=rng.choice([0.0, 0.2, 0.5]) * rng.uniform(0.5, 2),
        glide=rng.uniform(0.01, 0.12),
        breath=np.exp(rng.uniform(np.log(0.005), np.log(0.3))),
    )


def performance(rng: np.random.Generator, fonts: list[Path], banks: list[Path], seconds: float) -> dict[str, Stereo]:
    """A whole song: vocals and accompaniment, (sample, 2) each."""
    if rng.random() < 0.4:
        singer = free_singer(rng)
        song = compose(rng, seconds, singer.lowest)

        def sing(melody: Melody) -> np.ndarray:
            return voice.sing(melody.notes, singer, rng, round(seconds * RATE))
    else:
        folder = banks[rng.integers(len(banks))]
        goal, tract = register(own_pitch(folder), rng)
        song = compose(rng, seconds, round(goal) - 6)
        bank = syllables_of(folder, rng, 16)

        def sing(melody: Melody) -> np.ndarray:
            return sung(bank, melody, tract, rng)

    vocals = produce(sing(song.melody), rng)
    if rng.random() < 0.3:
        harmony = sing(song.harmony(int(rng.choice([-7, -5, -2, 2, 4]))))
        backing = produce(harmony, rng, {**PRODUCTION, "aside": 0.8, "doubles": 0.7})
        length = min(len(vocals), len(backing))
        vocals = vocals[:length] + backing[:length] * np.float32(10 ** (rng.uniform(-14, -2) / 20))
    backing_track = played(song, fonts, rng)
    length = min(len(vocals), len(backing_track))
    loud = np.float32(10 ** (rng.uniform(-8, 4) / 20))
    stems = {"vocals": levelled(vocals[:length], -20.0) * loud, "accompaniment": backing_track[:length]}
    peak = max(np.abs(stem).max() for stem in stems.values())
    return {name: stem * np.float32(min(1.0, 0.95 / peak)) for name, stem in stems.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("soundfonts", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=["train", "valid", "test"], default="train", help="what OUT/pool.yaml says")
    args = parser.parse_args()
    fonts = sorted(args.soundfonts.glob("*.sf*"))
    banks = sorted({f.parent for f in args.voices.rglob("*.ogg")})
    args.out.mkdir(parents=True, exist_ok=True)
    declare(args.out, "songs", sources("voices", "soundfonts"), args.split)
    for number in range(round(args.minutes * 60 / 24)):
        paths = {stem: args.out / f"{args.seed}-{number:05}.{stem}.flac" for stem in ("vocals", "accompaniment")}
        if all(path.exists() for path in paths.values()):
            continue
        try:
            stems = performance(np.random.default_rng([args.seed, 1, number]), fonts, banks, 24.0)
        except ValueError as error:  # a bank without a syllable that could be sung
            print(f"song {number}: {error}")
            continue
        for stem, path in paths.items():
            soundfile.write(path.with_suffix(".part"), stems[stem], RATE, "PCM_16", format="FLAC")
        for path in paths.values():
            path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()
