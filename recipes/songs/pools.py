"""Pools: voices without songs, songs without voices, and songs with both, mixed anew for every training segment.

A pool is a folder of recordings of one kind. `pack` brings them to a model's sample rate once, as 16-bit samples that a segment
reads from the disk where it needs them; `Mixes` draws sample i of a run from (seed, i) alone. A coherent sample is one
moment of one song; a remixed one takes voice and accompaniment from moments of their own at which they sound. Each stem is
varied on its own (speed, EQ, width, side, level), so that a network learns what a voice is and not how one recording places
it: dry mono voices in the middle teach a stereo network to take what is dry and in the middle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import soxr
import torch
from jaxtyping import Complex, Float
from scipy import ndimage
from torch.utils.data import Dataset

from unsung import audio
from unsung.data.batches import Sample
from unsung.files import atomically
from unsung.spectrum import Stft

Kind = Literal["vocals", "accompaniment", "songs"]
Waveform = Float[np.ndarray, "_sample _channel"]
Spectrum = Complex[np.ndarray, "channel freq frame"]
STEMS = ("vocals", "accompaniment")
LEAST = 2e-3  # root mean square above which a moment sounds
FULL = 32_767.0
LIFTER = 40  # of the cepstrum's bins is an envelope: 1.8 ms at 22 kHz


@dataclass(frozen=True)
class Pool:
    """Recordings of one kind; one of its seconds is drawn `share` times as often as one of another pool with share 1."""

    name: str
    kind: Kind
    share: float = 1.0


@dataclass(frozen=True)
class Variety:
    """What is drawn for a segment; numbers alone are probabilities."""

    coherent: float = 0.4  # of a segment: one moment of one song
    silent: float = 0.06  # there is no voice
    alone: float = 0.02  # there is nothing but a voice
    ratio_decibels: tuple[float, float] = (-2.0, 4.5)  # voice over accompaniment of a remixed segment: mean and deviation
    shift_decibels: tuple[float, float] = (-4.0, 4.0)  # what the voice of a coherent segment is made louder by
    speed: float = 0.5  # of a stem, or of both of a coherent segment: faster and higher, or slower and lower
    speed_semitones: tuple[float, float] = (-2.5, 2.5)
    voice_semitones: tuple[float, float] = (-2.5, 2.5)  # the same of a voice that meets another accompaniment
    tract: float = 0.0  # of a stem: its formants moved, its pitch left as it is (another singer, another instrument)
    tract_factor: tuple[float, float] = (0.8, 1.25)  # what they are multiplied by, at the lowest and at the highest frequency
    equaliser: float = 0.7  # of a stem
    equaliser_decibels: float = 5.0  # deviation of each of four bells
    width: float = 0.3  # of a stem: its sides louder or softer
    width_factor: tuple[float, float] = (0.0, 1.5)
    mono: float = 0.3  # of a segment: all of it
    swap: float = 0.5
    polarity: float = 0.5
    dull: float = 0.2  # of a segment: nothing above a frequency
    dull_hertz: tuple[float, float] = (3400.0, 9000.0)
    second: float = 0.1  # of a remixed voice: another one sings with it
    band: float = 0.0  # of a remixed accompaniment: another one plays with it


def pack(source: Path, goal: Path, sample_rate: int) -> None:
    """Bring the recordings of a pool's folder to `sample_rate` and 16 bits, stereo; what was packed before is passed over."""
    for file in sorted(source.iterdir()):
        packed = goal / f"{file.stem}.npy"
        if not packed.exists() and file.suffix in {".flac", ".ogg", ".opus", ".wav", ".mp3"}:
            own = audio.facts(file)
            blocks = (audio.to_channels(block, 2, file) for block in audio.blocks(file))
            samples = np.concatenate(list(audio.resampled(blocks, own.sample_rate, sample_rate)))
            goal.mkdir(parents=True, exist_ok=True)
            with atomically(packed) as partial, partial.open("wb") as out:
                np.save(out, np.rint(np.clip(samples, -1, 1) * FULL).astype(np.int16))


class Tapes:
    """The packed recordings of one kind: moments are drawn evenly over the seconds, but for the pools' shares."""

    def __init__(self, folder: Path, pools: Sequence[Pool], stem: str, kinds: Sequence[Kind]) -> None:
        self.files: list[Path] = []
        weights: list[float] = []
        for pool in pools:
            if pool.kind in kinds:
                ending = f"*.{stem}.npy" if pool.kind == "songs" else "*.npy"
                for file in sorted((folder / pool.name).glob(ending)):
                    self.files.append(file)
                    weights.append(pool.share * len(_open(file)))
        self.ends = np.cumsum(weights) / np.sum(weights) if weights else np.zeros(0)

    def draw(self, rng: np.random.Generator, frames: int) -> tuple[Path, int]:
        """A file, and where `frames` samples of it begin."""
        file = self.files[int(np.searchsorted(self.ends, rng.random(), side="right"))]
        return file, int(rng.integers(max(1, len(_open(file)) - frames)))


@lru_cache(maxsize=4096)
def _open(file: Path) -> np.ndarray:
    found: np.ndarray = np.load(file, mmap_mode="r")
    return found


def _read(file: Path, start: int, frames: int) -> Waveform:
    found = np.zeros((frames, 2), np.float32)
    piece = _open(file)[start : start + frames]
    found[: len(piece)] = piece
    return found / FULL


class Mixes(Dataset[Sample]):
    """All samples of a run by number, each the target's spectrum and that of everything else."""

    def __init__(
        self,
        folder: Path,
        pools: Sequence[Pool],
        variety: Variety,
        sample_rate: int,
        stft: Stft,
        frames: int,
        seed: int,
    ) -> None:
        self.variety, self.seed, self.sample_rate = variety, seed, sample_rate
        self.stft, self.frames = stft, frames
        self.length = (frames - 1) * stft.hop_length
        self.songs = Tapes(folder, pools, "vocals", ["songs"])
        self.voices = Tapes(folder, pools, "vocals", ["songs", "vocals"])
        self.accompaniments = Tapes(folder, pools, "accompaniment", ["songs", "accompaniment"])

    def __getitem__(self, number: int) -> Sample:
        """Draw sample `number`."""
        return {name: value[0] for name, value in self.__getitems__([number]).items()}

    def __getitems__(self, numbers: Sequence[int]) -> Sample:
        """Draw a whole batch."""
        return {"stems": torch.stack([self._draw(number) for number in numbers]), "number": torch.tensor(numbers)}

    def _draw(self, number: int) -> torch.Tensor:
        rng, v = np.random.default_rng([self.seed, number]), self.variety
        coherent = len(self.songs.files) and rng.random() < v.coherent
        voice, accompaniment = self._coherent(rng) if coherent else self._remixed(rng)
        luck = rng.random()
        if luck < v.silent:
            voice[:] = 0
        elif luck < v.silent + v.alone:
            accompaniment[:] = 0
        both = np.stack([voice, accompaniment]).transpose(0, 2, 1)  # (part, channel, sample)
        if rng.random() < v.mono:
            both[:] = both.mean(1, keepdims=True)
        found = self.stft.forward(torch.from_numpy(np.ascontiguousarray(both)))
        for part in range(2):
            if v.tract and rng.random() < v.tract:
                found[part] *= tract(found[part].numpy(), rng.uniform(*np.log2(v.tract_factor), size=2))
            if rng.random() < v.equaliser:
                found[part] *= torch.from_numpy(self._equaliser(rng))[:, None]
        if rng.random() < v.dull:
            found[..., round(rng.uniform(*v.dull_hertz) / self.sample_rate * self.stft.n_fft) :, :] = 0
        return found * float(10 ** (rng.uniform(-12, 3) / 20))

    def _coherent(self, rng: np.random.Generator) -> tuple[Waveform, Waveform]:
        """One moment of one song, the voice a little louder or softer than it was."""
        rate = self._rate(rng, self.variety.speed_semitones)
        frames = self._needed(rate)
        file, start = self.songs.draw(rng, frames)
        other = file.with_name(file.name.replace(".vocals.", ".accompaniment."))
        voice, accompaniment = (self._at(_read(f, start, frames), rate) for f in (file, other))
        voice *= np.float32(10 ** (rng.uniform(*self.variety.shift_decibels) / 20))
        if rng.random() < self.variety.swap:
            voice, accompaniment = voice[:, ::-1].copy(), accompaniment[:, ::-1].copy()
        return voice, accompaniment

    def _remixed(self, rng: np.random.Generator) -> tuple[Waveform, Waveform]:
        """A voice and an accompaniment that never met, at a level where one may cover the other."""
        voice, accompaniment = self._several(self.voices, rng), self._several(self.accompaniments, rng)
        ratio = np.clip(rng.normal(*self.variety.ratio_decibels), -12, 10)
        voice *= _level(accompaniment) / _level(voice) * np.float32(10 ** (ratio / 20))
        return voice, accompaniment

    def _several(self, tapes: Tapes, rng: np.random.Generator) -> Waveform:
        """A moment, now and then two at a time."""
        found = self._sounding(tapes, rng)
        if rng.random() < (self.variety.second if tapes is self.voices else self.variety.band):
            other = self._sounding(tapes, rng)
            found += other * (_level(found) / _level(other) * np.float32(10 ** (rng.uniform(-12, 0) / 20)))
        return found

    def _sounding(self, tapes: Tapes, rng: np.random.Generator) -> Waveform:
        """A moment at which there is something to hear, varied."""
        rate = self._rate(rng, self.variety.voice_semitones if tapes is self.voices else self.variety.speed_semitones)
        frames = self._needed(rate)
        for _ in range(8):
            found = _read(*tapes.draw(rng, frames), frames)
            if _level(found) > LEAST:
                break
        v, found = self.variety, self._at(found, rate)
        if rng.random() < v.width:
            side = (found[:, :1] - found[:, 1:]) / 2 * np.float32(rng.uniform(*v.width_factor))
            middle = (found[:, :1] + found[:, 1:]) / 2
            found = np.concatenate([middle + side, middle - side], axis=1)
        if rng.random() < v.swap:
            found = found[:, ::-1].copy()
        return -found if rng.random() < v.polarity else found

    def _rate(self, rng: np.random.Generator, semitones: tuple[float, float]) -> float:
        rate = float(2 ** (rng.uniform(*semitones) / 12))
        return rate if rng.random() < self.variety.speed else 1.0

    def _needed(self, rate: float) -> int:
        return self.length if rate == 1.0 else int(self.length * rate) + 64

    def _at(self, samples: Waveform, rate: float) -> Waveform:
        """`rate` times faster and higher, cut to length."""
        if rate == 1.0:
            return samples
        found = soxr.resample(samples, rate, 1.0, quality="LQ")[: self.length]
        return np.pad(found, ((0, self.length - len(found)), (0, 0)))

    def _equaliser(self, rng: np.random.Generator) -> np.ndarray:
        """Gains of the frequencies, (freq,): four bells on the logarithm of the frequency."""
        hertz = np.linspace(0, self.sample_rate / 2, self.stft.freqs)
        octaves = np.log2(np.maximum(hertz, 30.0))
        decibels = np.zeros(len(hertz))
        for _ in range(4):
            bell = np.exp(-0.5 * ((octaves - rng.uniform(5.5, 13.5)) / rng.uniform(0.4, 2.0)) ** 2)
            decibels += rng.normal(0, self.variety.equaliser_decibels) * bell
        return (10 ** (np.clip(decibels, -18, 12) / 20)).astype(np.float32)


def tract(spectrum: Spectrum, octaves: Float[np.ndarray, "2"]) -> Float[torch.Tensor, "freq frame"]:
    """Gains that move the formants of `spectrum` by `octaves` at its lowest and at its highest frequency.

    The envelope over frequency is the low end of the cepstrum; harmonics stay where they are, so this is no vocoder.
    """
    freqs = spectrum.shape[1]
    level = np.log(np.sqrt((np.abs(spectrum) ** 2).mean(0)) + 1e-5)
    cepstrum = np.fft.irfft(level, axis=0)
    window = np.zeros(len(cepstrum), np.float32)
    window[:LIFTER] = 0.5 + 0.5 * np.cos(np.pi * np.arange(LIFTER) / LIFTER)
    window[-LIFTER + 1 :] = window[1:LIFTER][::-1]
    envelope = np.fft.rfft(cepstrum * window[:, None], axis=0).real
    place = np.arange(freqs) * 2.0 ** -np.interp(np.arange(freqs), [0, freqs - 1], octaves)
    low = np.minimum(place.astype(np.int64), freqs - 2)
    share = np.clip(place - low, 0, 1)[:, None]
    moved = (1 - share) * envelope[low] + share * envelope[low + 1]
    gains = ndimage.uniform_filter1d(np.clip(moved - envelope, -2.5, 2.0), 3, axis=1)
    return torch.from_numpy(np.exp(gains).astype(np.float32))


def _level(samples: Waveform) -> np.float32:
    return np.float32(np.sqrt(np.mean(np.square(samples))) + 1e-6)
