"""Training pairs: sample i of a run follows from (seed, i) alone.

aligned     a moment of a song in both styles
unaligned   a moment of a song in the target style, disguised and whole; the sources teach nothing
shuffled    the sources with the targets of other moments: a control that can learn no content
one         all sources with the target of the first song: the recipe of the fifth reference
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unsung.data.shards import Row, Settings, Shards
from unsung.data.tracks import Track
from unsung.errors import UserError
from unsung.restyle.mel import LogMel, Mel
from unsung.restyle.schema import Params

KEPT = 400  # waveforms of rows in memory: 0.3 GB in the demo's format
LEAST_RISE = 0.05  # of the logarithm of loudness within 20 ms, where a note begins
Waveform = Float[Tensor, " sample"]


@dataclass(frozen=True)
class Pairs(Dataset[dict[str, Tensor]]):
    """All samples of a run by number.

    Raises:
        UserError: the shards lack a style.
    """

    shards: Shards
    params: Params

    def __post_init__(self) -> None:
        needed = {self.params.data.target} | ({self.params.data.source} if self.params.train.pairs != "unaligned" else set())
        if lacking := needed - set(self.shards.stems):
            what = f"the shards have no style {min(lacking)}, only {', '.join(self.shards.stems)}"
            raise UserError(f"{what}; mend data.source and data.target, or run dvc repro restyle/dvc.yaml")

    def __len__(self) -> int:
        return self.params.train.steps * self.params.train.batch_size

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Its number and the waveforms `source` and `target`."""
        rng = np.random.default_rng([self.params.seed, 2, number])
        rows = self.shards.rows
        frames = round(self.params.train.segment_seconds * mel_of(self.params).frames_per_second)
        here, first = rows[rng.integers(len(rows))], self._first(rng, frames)
        there, then = here, first
        if self.params.train.pairs == "shuffled":
            there, then = rows[rng.integers(len(rows))], self._first(rng, frames)
        if self.params.train.pairs == "one":
            there = rows[0]
        target = segment(self.shards, there, self.params.data.target, then, frames)
        if self.params.train.pairs == "unaligned":
            source = disguised(target, rng, self.params.audio.sample_rate)
        else:
            source = segment(self.shards, here, self.params.data.source, first, frames)
        gain = 10 ** (rng.uniform(-1, 1) * self.params.train.gain_decibels / 20)
        return {"number": torch.tensor(number), "source": source * gain, "target": target}

    def _first(self, rng: np.random.Generator, frames: int) -> int:
        return int(rng.integers(self.shards.settings.frames - frames))


def segment(shards: Shards, row: Row, style: str, first: int, hops: int) -> Waveform:
    """`hops` hops of a row's waveform in a style, from frame `first` on."""
    hop = shards.settings.hop_length
    return _waveform(shards, row.file, row.group, style)[first * hop : (first + hops) * hop]


@lru_cache(maxsize=KEPT)
def _waveform(shards: Shards, file: Path, group: int, style: str) -> Waveform:
    """The waveform of a whole row; small datasets are inverted once."""
    row = next(row for row in shards.rows if (row.file, row.group) == (file, group))
    spectrum = torch.from_numpy(shards.stem(row, style, 0, shards.settings.frames)[0].copy())
    return shards.settings.stft.inverse(spectrum)


def disguised(waveform: Waveform, rng: np.random.Generator, sample_rate: int) -> Waveform:
    """With drums where notes begin, another equaliser, and noise.

    The equaliser has up to 12 dB at six places; the noise is at -60 to -30 dB.
    """
    spectrum = torch.fft.rfft(waveform + drummed(waveform, rng, sample_rate))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)) * sample_rate / len(waveform), 30) / 30)
    gains = np.interp(octaves, np.linspace(0, octaves[-1], 6), rng.uniform(-12, 12, 6))
    shaped = torch.fft.irfft(spectrum * torch.from_numpy(10 ** (gains / 20)), len(waveform)).float()
    hiss = torch.from_numpy(rng.standard_normal(len(waveform)).astype(np.float32))
    return shaped + hiss * shaped.square().mean().sqrt() * 10 ** (rng.uniform(-60, -30) / 20)


def drummed(waveform: Waveform, rng: np.random.Generator, sample_rate: int) -> Waveform:
    """Bursts of noise where the song grows louder, each of its own colour, length and loudness.

    At -30 to 10 dB of the song, at a share of these moments that is drawn, too.
    """
    hop, sounds = sample_rate // 50, np.zeros(len(waveform))
    loudness = waveform[: len(waveform) // hop * hop].reshape(-1, hop).square().mean(1).sqrt().numpy()
    rises = np.diff(np.log(loudness + 1e-3 * loudness.max() + 1e-9), prepend=0.0)
    peaks = np.flatnonzero((rises > np.roll(rises, 1)) & (rises >= np.roll(rises, -1)) & (rises > LEAST_RISE))
    level = float(waveform.square().mean().sqrt()) * 10 ** (rng.uniform(-30, 10) / 20)
    for peak in peaks[rng.random(len(peaks)) < rng.uniform(0, 1)]:
        burst = rng.standard_normal(15 * hop)
        if rng.random() < 0.5:
            burst = np.convolve(burst, np.ones(8) / 8**0.5, "same")  # darker
        burst *= np.exp(-np.arange(len(burst)) / (sample_rate * rng.uniform(0.01, 0.1))) * rng.uniform(0.3, 1)
        place = sounds[peak * hop :][: len(burst)]
        place += level * burst[: len(place)]
    return torch.from_numpy(sounds.astype(np.float32))


def mel_of(params: Params) -> Mel:
    """The log-mels that the params describe."""
    return Mel(params.audio.sample_rate, params.mel.n_fft, params.mel.hop_length, params.mel.bands)


def shard_settings(params: Params) -> Settings:
    """How the spectra of the shards are made: so that log-mels follow from them."""
    mel = mel_of(params)
    frames = round(params.shards.segment_seconds * mel.frames_per_second)
    return Settings(mel.sample_rate, 1, mel.n_fft, mel.hop_length, frames)


def taught(tracks: Sequence[Track], params: Params) -> list[Track]:
    """What training needs of the tracks: pairs, or songs of the target alone.

    Raises:
        UserError: there is none in a split.
    """
    styles = [params.data.target] if params.data.provider == "unaligned" else [params.data.source, params.data.target]
    whole = [track for track in tracks if has(track, styles)]
    some = [Track(track.name, track.split, {style: track.stems[style] for style in styles}) for track in whole]
    if lacking := [split for split in ("train", "valid") if split not in {track.split for track in some}]:
        raise UserError(f"there is no {lacking[0]} song with {' and '.join(styles)}; add some, or change how the splits are made")
    return some


def has(track: Track, styles: Sequence[str]) -> bool:
    """Whether it has all these styles."""
    return set(styles) <= set(track.stems)


def true_pairs(shards: Shards, params: Params) -> list[tuple[LogMel, Waveform]]:
    """The log-mels and waveforms of all segments in the target style."""
    waves = [segment(shards, row, params.data.target, 0, shards.settings.frames - 1) for row in shards.rows]
    return [(mel_of(params).forward(wave), wave) for wave in waves]


def whole_pair(shards: Shards, number: int, params: Params) -> tuple[Waveform, Waveform]:
    """The waveforms of a whole segment; without pairs the target is its own source, disguised."""
    row, hops = shards.rows[number], shards.settings.frames - 1
    target = segment(shards, row, params.data.target, 0, hops)
    if params.train.pairs == "unaligned":
        return disguised(target, np.random.default_rng([params.seed, 5, number]), params.audio.sample_rate), target
    return segment(shards, row, params.data.source, 0, hops), target
