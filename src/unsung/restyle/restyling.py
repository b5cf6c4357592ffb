"""Restyle songs of any length in bounded memory.

Windows of the song give windows of log-mels, which fade into each other; only then does the vocoder
make sound of them, because phases of sounds that were made apart would cancel in a cross-fade.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.devices import generators
from unsung.restyle.mel import LogMel
from unsung.restyle.restyler import Restyler
from unsung.restyle.vocoder import Vocoding
from unsung.windows import Plan, Window, windows


@dataclass(frozen=True)
class Manner:
    """How songs are restyled."""

    window_seconds: float
    overlap: float  # share of a window that fades into the next
    seed: int

    def plan(self, restyler: Restyler) -> Plan:
        """Windows and overlaps of whole hops."""
        hop = restyler.config.hop_length
        window = max(2, round(self.window_seconds * restyler.config.sample_rate / hop)) * hop
        return Plan(window, round(window * self.overlap / hop) * hop, 1, self.seed)


def restyled(restyler: Restyler, vocoding: Vocoding, song: Iterable[Samples], manner: Manner) -> Iterator[Samples]:
    """A mono stream at the model's rate in the other style, (frame, 1), as long as the song."""
    length = 0

    def counted() -> Iterator[Samples]:
        nonlocal length
        for block in song:
            length += len(block)
            yield block

    done = 0
    for block in vocoding.blocks(mels(restyler, counted(), manner)):
        piece = block.numpy()[:, None]
        done += len(piece)
        yield piece
    if done < length:
        yield np.zeros((length - done, 1), np.float32)


def mels(restyler: Restyler, song: Iterable[Samples], manner: Manner) -> Iterator[LogMel]:
    """Log-mels in the other style, in blocks (band, frame): a frame for each hop that begins."""
    plan, hop = manner.plan(restyler), restyler.config.hop_length
    tail: LogMel | None = None
    for window in windows(song, plan):
        found = _estimate(restyler, window, plan)
        if tail is not None:
            rise = (torch.arange(tail.shape[1]) + 0.5) / max(1, tail.shape[1])
            found[:, : tail.shape[1]] = tail + rise * (found[:, : tail.shape[1]] - tail)
        done = -(-window.length // hop) if window.last else (plan.window - plan.overlap) // hop
        tail = found[:, done:]
        yield found[:, :done]


def _estimate(restyler: Restyler, window: Window, plan: Plan) -> LogMel:
    """The log-mels of a window, without the frame at its end."""
    device = next(restyler.parameters()).device
    samples = torch.from_numpy(np.ascontiguousarray(window.samples[:, 0]))[None].to(device)
    with torch.inference_mode():
        found = restyler(samples, generators([(plan.seed, window.start)], device))
    return found[0, :, : plan.window // restyler.config.hop_length].cpu()


def at_rate(song: Iterable[Samples], rate: int, wanted: int) -> Iterator[Samples]:
    """A song of any channels as a mono stream at another rate."""
    return audio.resampled((block.mean(axis=1, keepdims=True) for block in song), rate, wanted)
