"""`unsung restyle`: songs of any rate, channels and length in another style, as files.

`keep: vocals` asks both questions of a song: it is separated first, the rest is restyled, and the
voice is added back.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from sys import maxsize

import numpy as np
import torch

from unsung import audio
from unsung.audio import FULL_SCALE, Facts, Grain, Grid, Samples
from unsung.errors import UserError
from unsung.files import sha256
from unsung.places import Wanted, find
from unsung.progress import Outcome, Report
from unsung.restyle.folder import CONFIG, WEIGHTS
from unsung.restyle.model import VOCODER, WAY, Model
from unsung.restyle.restyling import Manner, restyled
from unsung.separation import Method, parts
from unsung.songs import MIXTURE, Batch, MakeReport

VOCALS = "vocals"
FILES = (CONFIG, WEIGHTS, WAY, f"{VOCODER}/{CONFIG}", f"{VOCODER}/{WEIGHTS}")


@dataclass(frozen=True)
class Restyling:
    """Songs get another style, all in the same way."""

    folder: Path
    model: Model
    manner: Manner
    strength: float  # 0 is the song itself, to the last bit
    keep: Method | None  # how to separate what stays as it is
    told = "The song as it is, and in the other style. Clips are mp3 with the same gain."

    @property
    def parts(self) -> tuple[str, ...]:
        """One part, called as the style."""
        return (self.model.restyler.config.style,)

    @property
    def device(self) -> torch.device:
        """That of the weights."""
        return next(self.model.restyler.parameters()).device

    @property
    def made_with(self) -> list[object]:
        """The models, how they are used, and how much of them is heard."""
        mine: list[object] = [sha256(self.folder / name) for name in FILES]
        kept = [sha256(self.keep.model / name) for name in (CONFIG, WEIGHTS)] if self.keep else []
        return [*mine, *kept, str(self.manner), self.strength]

    def blocks(self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None) -> Iterator[Mapping[str, Grid]]:
        """See songs.Work: the song, and the song in the other style."""
        mixture, band, voice = self._apart(song, own, grain, pool)
        heard, kept = itertools.tee(band)  # what waits between them is some windows long
        changed = audio.rebatched(audio.fitted(self._restyled(heard, own), maxsize, own.channels))
        low, high = grain.limits
        silent = True
        for whole, rest, vocals, other in zip(mixture, audio.rebatched(kept), voice, changed, strict=False):
            mixed = (1 - self.strength) * rest + self.strength * other[: len(rest)]
            grid = vocals + audio.to_grid(mixed, grain.bits) if self.strength else whole
            silent = silent and not whole.any()
            yield {MIXTURE: whole, self.parts[0]: np.clip(grid, low, high)}
        if silent:
            raise ArithmeticError("it is silent; there is nothing to restyle")

    def _apart(
        self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None
    ) -> tuple[Iterator[Grid], Iterator[Samples], Iterator[Grid]]:
        """The song, what is restyled, and what stays; the last is silent if nothing is kept."""
        if not self.keep:
            one, two, three = itertools.tee(audio.rebatched(song), 3)
            grids = (audio.to_grid(block, grain.bits) for block in one)
            return grids, two, (np.zeros(block.shape, np.int64) for block in three)
        separator = self.keep.load()
        if VOCALS not in separator.config.targets:
            raise UserError(
                f"{self.keep.model} takes out {', '.join(separator.config.targets)}, no vocals; choose another --separator"
            )
        number = separator.config.parts.index(VOCALS)
        found = parts(separator, song, own, self.keep.plan(separator.config, own), grain, pool)
        pairs = itertools.tee(((block.sum(0), block[number]) for block in found), 3)
        bands = ((whole - voice) / FULL_SCALE for whole, voice in pairs[1])
        return (whole for whole, _ in pairs[0]), bands, (voice for _, voice in pairs[2])

    def _restyled(self, band: Iterable[Samples], own: Facts) -> Iterator[Samples]:
        """In the other style, at the song's rate, the same in all channels."""
        rate = self.model.restyler.config.sample_rate
        mono = (block.mean(axis=1, keepdims=True, dtype=np.float32) for block in band)
        found = restyled(self.model, audio.resampled(mono, own.sample_rate, rate), self.manner)
        return (np.repeat(block, own.channels, axis=1) for block in audio.resampled(found, rate, own.sample_rate))


def restyle_songs(
    places: Sequence[Path], work: Callable[[], Restyling], wanted: Wanted, report: MakeReport = lambda songs: Report()
) -> list[Outcome]:
    """Restyle songs, and all songs in folders; the outcomes are in their order.

    Raises:
        UserError: there is no song, or the model cannot be read or has no such style.
    """
    torch.set_num_threads(1)
    songs = find(places, wanted.out)
    return Batch(work(), wanted).make(songs, report)


def load(folder: Path, style: str, manner: Manner, strength: float, keep: Method | None) -> Restyling:
    """A model that gives this style; an empty style is the model's own.

    Raises:
        UserError: the model cannot be read, or has another style.
    """
    model = Model.load(folder)
    known = model.restyler.config.style
    if style and style != known:
        raise UserError(f"{folder} has no style {style}; it has {known}")
    return Restyling(folder, model, manner, strength, keep)
