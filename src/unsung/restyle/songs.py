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
from unsung.separation import Method
from unsung.songs import MIXTURE, Batch, MakeReport, Separating

VOCALS = "vocals"
FILES = (CONFIG, WEIGHTS, WAY, f"{VOCODER}/{CONFIG}", f"{VOCODER}/{WEIGHTS}")


@dataclass(frozen=True)
class Restyling:
    """Songs get another style, all in the same way."""

    folder: Path
    model: Model
    manner: Manner
    strength: float  # 0 is the song itself, to the last bit
    keep: Separating | None  # what takes out the voice that stays as it is
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
        kept = self.keep.made_with if self.keep else []
        return [*mine, *kept, str(self.manner), self.strength]

    def blocks(
        self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None, mixture: bool
    ) -> Iterator[Mapping[str, Grid]]:
        """See songs.Work; the song itself is there anyway."""
        heard, kept = itertools.tee(self._apart(song, own, grain, pool))  # what waits between them is some windows long
        changed = self._restyled((band for _, band, _ in heard), own)
        low, high = grain.limits
        silent = True
        for (whole, band, voice), other in zip(kept, audio.rebatched(audio.fitted(changed, maxsize, own.channels)), strict=False):
            mixed = (1 - self.strength) * band + self.strength * other[: len(band)]
            grid = voice + audio.to_grid(mixed, grain.bits) if self.strength else whole
            silent = silent and not whole.any()
            yield {MIXTURE: whole, self.parts[0]: np.clip(grid, low, high)}
        if silent:
            raise ArithmeticError("it is silent; there is nothing to restyle")

    def _apart(
        self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None
    ) -> Iterator[tuple[Grid, Samples, Grid | int]]:
        """The song, what of it is restyled, and the voice that stays, or 0; block by block."""
        if not self.keep:
            yield from ((audio.to_grid(block, grain.bits), block, 0) for block in audio.rebatched(song))
            return
        for block in self.keep.blocks(song, own, grain, pool, mixture=True):
            whole, voice = block[MIXTURE], block[VOCALS]
            yield whole, (whole - voice) / FULL_SCALE, voice

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
        UserError: a model cannot be read, or has another style, or takes out no vocals.
    """
    model = Model.load(folder)
    known = model.restyler.config.style
    if style and style != known:
        raise UserError(f"{folder} has no style {style}; it has {known}")
    separating = Separating(keep.load(), keep) if keep else None
    if separating and VOCALS not in (targets := separating.separator.config.targets):
        raise UserError(f"{separating.method.model} takes out {', '.join(targets)}, no vocals; choose another --separator")
    return Restyling(folder, model, manner, strength, separating)
