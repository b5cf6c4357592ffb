"""Playing a whole song: parts panned, in one room, balanced, as the four stems of MUSDB18."""

import numpy as np
from scipy import signal

from unsung.data.synth import band, score, voice
from unsung.data.synth.band import RATE, Mono

Stereo = np.ndarray  # (sample, 2) float32


def play(rng: np.random.Generator, seconds: float) -> dict[str, Stereo]:
    """A song: drums, bass, other, vocals, each (sample, 2), together below 0.9."""
    return play_score(rng, seconds)[0]


def play_score(rng: np.random.Generator, seconds: float) -> tuple[dict[str, Stereo], score.Score]:
    """The same, and the notes that were played."""
    length = round(seconds * RATE)
    singer = voice.draw_singer(rng)
    notes = score.compose(rng, seconds, singer.lowest)
    room = draw_room(rng)
    kick, snare, hat = band.play_drums(notes.drums, rng, length).values()
    stems = {
        "drums": place(kick, 0, 0, room) + place(snare, 0.1, 0.1, room) + place(hat, -0.4, 0.02, room),
        "bass": place(band.play_notes(notes.bass, _one_of(rng, band.BASS_TIMBRES), length), 0, 0, room),
        "other": _chords_and_lead(rng, notes, length, room),
        "vocals": place(voice.sing(notes.melody, singer, rng, length), rng.uniform(-0.15, 0.15), rng.uniform(0.05, 0.2), room),
    }
    return _balanced(stems, rng), notes


def _chords_and_lead(rng: np.random.Generator, notes: score.Score, length: int, room: Stereo) -> Stereo:
    side = rng.uniform(0.2, 0.7) * rng.choice([-1, 1])
    chords = band.play_notes(notes.chords, _one_of(rng, band.CHORD_TIMBRES), length)
    lead = band.play_notes(notes.lead, _one_of(rng, band.LEAD_TIMBRES), length)
    return place(level(chords, 1.0), side, 0.15, room) + place(level(lead, 0.5), -side, 0.2, room)


def _one_of(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[rng.integers(len(names))]


def draw_room(rng: np.random.Generator) -> Stereo:
    """The impulse response of a room: noise that dies away, (sample, 2)."""
    length = round(rng.uniform(0.5, 1.2) * RATE)
    fading = 10 ** (-3 * np.arange(length) / length)  # 60 dB
    response = rng.standard_normal((length, 2)) * fading[:, None]
    response = signal.sosfilt(signal.butter(1, (200, 6000), "bandpass", fs=RATE, output="sos"), response, axis=0)
    return (response / np.sqrt((response**2).sum(0))).astype(np.float32)


def place(sound: Mono, side: float, wet: float, room: Stereo) -> Stereo:
    """Pan from -1 (left) to 1 (right) at constant power and add the room, (sample, 2)."""
    angle = (side + 1) * np.pi / 4
    dry = sound[:, None] * np.array([np.cos(angle), np.sin(angle)], np.float32)
    if wet:
        dry = dry + wet * signal.fftconvolve(dry, room, axes=0)[: len(dry)]
    return dry.astype(np.float32)


def level(sound: np.ndarray, wanted: float) -> np.ndarray:
    """Scale to a root mean square of `wanted` where something sounds; silence stays silence."""
    loud = np.abs(sound[np.abs(sound) > 1e-3])
    return sound * (wanted / np.sqrt((loud**2).mean())) if len(loud) else sound


def _balanced(stems: dict[str, Stereo], rng: np.random.Generator) -> dict[str, Stereo]:
    decibels = {"drums": (-7, -3), "bass": (-7, -4), "other": (-7, -3), "vocals": (0, 3)}
    loud = {name: level(stem, 10 ** (rng.uniform(*decibels[name]) / 20)) for name, stem in stems.items()}
    peak = max(np.abs(sum(loud.values())).max(), *(np.abs(stem).max() for stem in loud.values()))
    return {name: (0.9 / peak * stem).astype(np.float32) for name, stem in loud.items()}
