"""Training pairs: sample i of a run follows from (seed, i) alone.

aligned     a moment of a song in both styles
unaligned   a moment of a song in the target style, disguised and whole; the sources teach nothing
shuffled    the sources with the targets of other moments: a control that can learn no content
one         all sources with the target of the first song: the recipe of the fifth reference
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
        samples = samples_of(self.params, self.params.train.segment_seconds)
        here, first = rows[rng.integers(len(rows))], self._first(rng, samples)
        there, then = here, first
        if self.params.train.pairs == "shuffled":
            there, then = rows[rng.integers(len(rows))], self._first(rng, samples)
        if self.params.train.pairs == "one":
            there = rows[0]
        target = segment(self.shards, there, self.params.data.target, then, samples)
        if self.params.train.pairs == "unaligned":
            source = disguised(target, rng, self.params.audio.sample_rate)
        else:
            source = segment(self.shards, here, self.params.data.source, first, samples)
        gain = 10 ** (rng.uniform(-1, 1) * self.params.train.gain_decibels / 20)
        return {"number": torch.tensor(number), "source": source * gain, "target": target}

    def _first(self, rng: np.random.Generator, samples: int) -> int:
        """A sample at which a frame of the log-mels lies."""
        hop = self.params.mel.hop_length
        return hop * int(rng.integers((self.shards.settings.samples - samples) // hop))


def segment(shards: Shards, row: Row, style: str, first: int, samples: int) -> Waveform:
    """`samples` samples of a row in a style, from `first` on."""
    return torch.from_numpy(shards.stem(row, style, first, samples)[0])


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


def samples_of(params: Params, seconds: float) -> int:
    """So many seconds in whole hops of the log-mels, as samples."""
    return round(seconds * mel_of(params).frames_per_second) * params.mel.hop_length


def shard_settings(params: Params) -> Settings:
    """What the shards hold: segments of whole hops."""
    return Settings(params.audio.sample_rate, 1, samples_of(params, params.shards.segment_seconds))


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
    waves = [segment(shards, row, params.data.target, 0, _whole(shards, params)) for row in shards.rows]
    return [(mel_of(params).forward(wave), wave) for wave in waves]


def whole_pair(shards: Shards, number: int, params: Params) -> tuple[Waveform, Waveform]:
    """The waveforms of a whole segment; without pairs the target is its own source, disguised."""
    row, samples = shards.rows[number], _whole(shards, params)
    target = segment(shards, row, params.data.target, 0, samples)
    if params.train.pairs == "unaligned":
        return disguised(target, np.random.default_rng([params.seed, 5, number]), params.audio.sample_rate), target
    return segment(shards, row, params.data.source, 0, samples), target


def _whole(shards: Shards, params: Params) -> int:
    """Samples of a segment of which the log-mels have as many frames as the segment has hops."""
    return shards.settings.samples - params.mel.hop_length
