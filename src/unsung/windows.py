"""A song of any length as overlapping windows that fade into each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from unsung.audio import Samples


@dataclass(frozen=True)
class Plan:
    """How a song is cut into windows."""

    window: int  # samples at the model's rate
    overlap: int  # samples
    batch_size: int  # windows at once on a GPU
    seed: int
    bfloat16: bool = False  # 16-bit floats where the network can


@dataclass(frozen=True)
class Window:
    """A piece of a song, padded to the plan's window; `length` frames of it are song."""

    samples: Samples
    start: int  # samples
    length: int
    last: bool


def windows(song: Iterable[Samples], plan: Plan) -> Iterator[Window]:
    """Cut a stream into overlapping windows; the last one is padded with zeros."""
    hop, start, waiting = plan.window - plan.overlap, 0, np.zeros((0, 0), np.float32)
    for block in song:
        waiting = np.concatenate([waiting, block]) if len(waiting) else block
        while len(waiting) > plan.window:
            yield Window(waiting[: plan.window], start, plan.window, last=False)
            waiting, start = waiting[hop:], start + hop
    if len(waiting):
        yield Window(np.pad(waiting, ((0, plan.window - len(waiting)), (0, 0))), start, len(waiting), last=True)


def fades(window: Window, plan: Plan) -> Float[np.ndarray, " _frame"]:
    """The weights of a window; in an overlap, those of both windows add up to one."""
    weights, rise = np.ones(plan.window, np.float32), (np.arange(plan.overlap, dtype=np.float32) + 0.5) / max(1, plan.overlap)
    if window.start:
        weights[: plan.overlap] = rise
    if not window.last:
        weights[plan.window - plan.overlap :] = rise[::-1]
    return weights
