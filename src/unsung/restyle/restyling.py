"""Restyle songs of any length in bounded memory.

Windows of the song give windows of log-mels, which fade into each other; only then does the vocoder
make sound of them, because phases of sounds that were made apart would cancel in a cross-fade.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.data.tracks import Track
from unsung.devices import generators
from unsung.restyle.mel import LogMel
from unsung.restyle.model import Model
from unsung.restyle.restyler import Restyler
from unsung.restyle.vocoder.streaming import vocoded
from unsung.windows import Plan, Window, windows


@dataclass(frozen=True)
class Manner:
    """How songs are cut into windows."""

    window_seconds: float
    overlap: float  # share of a window that fades into the next
    seed: int

    def plan(self, restyler: Restyler) -> Plan:
        """Windows and overlaps of whole hops."""
        hop = restyler.config.hop_length
        window = max(2, round(self.window_seconds * restyler.config.sample_rate / hop)) * hop
        return Plan(window, round(window * self.overlap / hop) * hop, 1, self.seed)


def restyle_track(track: Track, folder: Path, source: str, model: Path, manner: Manner, way: str) -> None:
    """Restyle a test song into `folder/<track>.flac`, unless that was done before."""
    torch.set_num_threads(1)
    loaded = Model.load(model, way)
    path = folder / f"{track.name}.flac"
    if not path.exists():
        blocks = restyled(loaded, audio.blocks(track.stems[source]), manner)
        grids = (audio.to_grid(np.clip(block, -1, 1 - 2.0**-23)) for block in blocks)
        audio.write(path, grids, loaded.restyler.config.sample_rate, 1)


def restyled(model: Model, song: Iterable[Samples], manner: Manner) -> Iterator[Samples]:
    """A mono stream at the model's rate in the other style, (frame, 1), as long as the song."""
    length = done = 0

    def counted() -> Iterator[Samples]:
        nonlocal length
        for block in song:
            length += len(block)
            yield block

    for block in vocoded(mels(model.restyler, counted(), manner), model.way):
        done += len(block)
        yield block.numpy()[:, None]
    if done < length:  # less than a hop
        yield np.zeros((length - done, 1), np.float32)


def mels(restyler: Restyler, song: Iterable[Samples], manner: Manner) -> Iterator[LogMel]:
    """Log-mels in the other style, in blocks (band, frame): a frame for each hop that begins."""
    plan, hop = manner.plan(restyler), restyler.config.hop_length
    tail: LogMel | None = None
    for window in windows(song, plan):
        found = _estimate(restyler, window, plan)
        if tail is not None:
            count = tail.shape[1]
            rise = (torch.arange(count) + 0.5) / max(1, count)
            found[:, :count] = tail + rise * (found[:, :count] - tail)
        done = window.length // hop + 1 if window.last else (plan.window - plan.overlap) // hop
        tail = found[:, done:-1]
        yield found[:, :done]


def _estimate(restyler: Restyler, window: Window, plan: Plan) -> LogMel:
    """The log-mels of a window, (band, frame)."""
    device = next(restyler.parameters()).device
    samples = torch.from_numpy(np.ascontiguousarray(window.samples[:, 0]))[None].to(device)
    with torch.no_grad():
        return restyler(samples, generators([(plan.seed, window.start)], device))[0].cpu()
