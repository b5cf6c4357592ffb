"""Separate songs of any length in bounded memory, in overlapping windows that fade into each other.

Stems are estimated at the model's sample rate and resampled to the song's. The accompaniment is the
song minus the stems, in integers, so that the files add up to the song to the last bit.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from sys import maxsize
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import psutil
import torch
from jaxtyping import Float, Int

from unsung import audio
from unsung.audio import FULL_SCALE, Facts, Grain, Grid, Samples
from unsung.config.schema import Params, Separate
from unsung.config.section import ProcessSettings
from unsung.devices import device_of, generators
from unsung.errors import UserError
from unsung.files import folder_of_a_run, put_in_place
from unsung.models.separator import Config, Separator
from unsung.windows import Plan, Window, fades, windows

if TYPE_CHECKING:
    from unsung.data.tracks import Track

Stems = Float[np.ndarray, "_target _frame _channel"]
Parts = Int[np.ndarray, "_part _frame _channel"]  # stems, and the accompaniment unless they cover the song
SHORT = 8.0  # seconds; a window so long is never shortened
BYTES_PER_BYTE = 20  # of memory for one of a window's samples: a lower bound, to refuse what can never work
GRAIN = Grain()  # of the files of a pipeline: 24 bits
AHEAD = 8  # batches of windows that wait for the one that is written
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Method:
    """A model folder, and how songs are separated with it."""

    model: Path
    separate: Separate
    seed: int
    process: ProcessSettings | None = None  # how to sample; by default `sampling_defaults`
    calls: int | None = None  # network calls, if other than in `process`
    bfloat16: bool = False

    @classmethod
    def of(cls, model: Path, params: Params) -> "Method":
        """As params.yaml says."""
        return cls(model, params.separate, params.seed, params.process)

    def load(self) -> Separator:
        """Load the separator onto the device, with this sampling.

        Raises:
            UserError: the model cannot be read, or cannot work like this.
        """
        separator, device = Separator.load(self.model), device_of(self.separate.accelerator)
        settings = self.process or separator.process.settings
        separator.sample_with(settings.changed(calls=self.calls) if self.calls else settings)
        if not self.separate.int8:
            return separator.to(device)
        if self.bfloat16:
            raise UserError("int8 and bfloat16 exclude each other; choose one")
        if device.type != "cpu":
            raise UserError("int8 is for the CPU; set accelerator to cpu")
        return separator.quantised()

    def plan(self, config: Config, song: Facts | None = None) -> Plan:
        """How a song is cut for a model with this config; no window is longer than the song.

        Raises:
            UserError: the window does not fit into memory.
        """
        window = round(self.separate.window_seconds * config.sample_rate)
        if song:
            whole = math.ceil(song.frames / song.sample_rate * config.sample_rate)
            window = min(window, max(round(SHORT * config.sample_rate), whole))
        if (needed := 4 * window * config.channels * BYTES_PER_BYTE) > (free := psutil.virtual_memory().available):
            gigabytes = f"{needed / 1e9:.0f} GB of memory, {free / 1e9:.0f} are free"
            raise UserError(f"a window of {window / config.sample_rate:.0f} s needs at least {gigabytes}; make it shorter")
        return Plan(window, round(window * self.separate.overlap), self.separate.batch_size, self.seed, self.bfloat16)


def separate_track(track: "Track", folder: Path, method: Method) -> None:
    """Separate a track of a dataset into `folder/<track>`, unless that was done before.

    Raises:
        UserError: the track is far beyond full scale, the model gives NaN, or the disk is full.
    """
    from unsung.data.tracks import mixture  # here: songs of a user need no tables

    torch.set_num_threads(1)
    separator = method.load()
    config, place = separator.config, folder / track.name
    if all((place / f"{part}.flac").exists() for part in config.parts):
        return
    own = Facts(config.sample_rate, config.channels, frames=0)
    try:
        with folder_of_a_run(place) as new:
            with ExitStack() as stack:
                form = own.sample_rate, own.channels
                files = [stack.enter_context(audio.writer(new / f"{part}.flac", *form)) for part in config.parts]
                for block in parts(separator, mixture(track), own, method.plan(config)):
                    for file, part in zip(files, block, strict=True):
                        file.write(part)
            put_in_place(new, place)
    except ArithmeticError as error:
        raise UserError(f'"{track.name}": {error}') from None


def parts(
    separator: Separator, song: Iterable[Samples], own: Facts, plan: Plan, grain: Grain = GRAIN, pool: Executor | None = None
) -> Iterator[Parts]:
    """Separate a song at any rate into blocks of its parts, which add up to its integers.

    Raises:
        ArithmeticError: the song is far beyond full scale, or the model gives NaN.
    """
    config, width = separator.config, len(separator.config.targets) * own.channels
    heard, subtracted = itertools.tee(song)  # what waits between them is some windows long
    blocks = stems(separator, audio.resampled(heard, own.sample_rate, config.sample_rate), plan, pool)
    flat = (block.transpose(1, 0, 2).reshape(-1, width) for block in blocks)
    estimates = audio.fitted(audio.resampled(flat, config.sample_rate, own.sample_rate), maxsize, width)
    for block, estimate in zip(audio.rebatched(subtracted), audio.rebatched(estimates), strict=False):
        split = estimate[: len(block)].reshape(len(block), -1, own.channels).transpose(1, 0, 2)
        yield share_out(audio.to_grid(block, grain.bits), split, config.covers_song, grain)


def stems(separator: Separator, song: Iterable[Samples], plan: Plan, pool: Executor | None = None) -> Iterator[Stems]:
    """The stems of a stream at the model's sample rate, in blocks, as long as the song.

    With a pool, windows are estimated while others are read and written; the bytes are the same.
    """
    tail: Stems | None = None
    cut, size = windows(song, plan), 1 if separator.device.type == "cpu" else plan.batch_size
    batches = iter(lambda: list(itertools.islice(cut, size)), [])
    for batch, estimates in in_order(pool, partial(_estimate, separator, plan), batches):
        for window, estimate in zip(batch, estimates, strict=True):
            estimate *= fades(window, plan)[:, None]
            if tail is not None:
                estimate[:, : plan.overlap] += tail
            done = window.length if window.last else plan.window - plan.overlap
            tail = estimate[:, done:]
            yield estimate[:, :done]


def in_order(pool: Executor | None, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item with its result; a pool works on the next ones meanwhile."""
    if pool is None:
        yield from ((item, function(item)) for item in items)
        return
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def share_out(mixture: Grid, estimates: Stems, covers_song: bool, grain: Grain = GRAIN) -> Parts:
    """Parts within the grain's limits that add up to `mixture`, as near to the estimates as can be.

    The residual is the accompaniment; where the stems cover the song, they share it. Two parts can
    add up to more than full scale, so a song that clips is kept as it is.

    Raises:
        FloatingPointError: an estimate is not finite.
        OverflowError: even parts at full scale do not add up to the song.
    """
    if not np.isfinite(estimates).all():
        raise FloatingPointError("the model gives NaN; get it anew, or train it anew")
    wanted = estimates + (mixture / FULL_SCALE - estimates.sum(0)) / len(estimates) if covers_song else estimates
    steps = np.multiply(wanted, FULL_SCALE / grain.step, dtype=np.float64)
    np.rint(steps, out=steps)
    steps *= grain.step
    low, high = grain.limits
    parts = np.zeros((len(steps) + (not covers_song), *mixture.shape), np.int64)
    parts[: len(steps)] = np.clip(steps, low, high, out=steps)
    rest = mixture - parts.sum(0)
    for part in parts[::-1]:  # first the accompaniment, which can nearly always take all of it
        taken = np.clip(part + rest, low, high) - part
        part += taken
        rest -= taken
        if not rest.any():
            return parts
    raise OverflowError(f"the song's peak is {np.abs(mixture).max() / FULL_SCALE:.1f} times full scale; turn it down")


def _estimate(separator: Separator, plan: Plan, batch: Sequence[Window]) -> Float[np.ndarray, "_window _target _frame _channel"]:
    """The stems of a batch of windows; where the channels do not fit, channel by channel."""
    device = separator.device
    song = torch.from_numpy(np.stack([window.samples for window in batch])).transpose(1, 2)
    fits = song.shape[1] == separator.config.channels
    items = song if fits else song.flatten(0, 1)[:, None].expand(-1, separator.config.channels, -1)
    seeds = [(plan.seed, window.start, i) for window in batch for i in range(len(items) // len(batch))]
    size = 1 if device.type == "cpu" else len(items)  # rounding depends on the batch size: see docs/design.md
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=plan.bfloat16):
        counterfactuals = [
            separator.counterfactual(items[i : i + size].to(device), generators(seeds[i : i + size], device)).cpu()
            for i in range(0, len(items), size)
        ]
    estimates = items.unsqueeze(1) - torch.cat(counterfactuals)
    if not fits:
        estimates = estimates.mean(2).unflatten(0, (len(batch), song.shape[1])).transpose(1, 2)
    return estimates.transpose(2, 3).numpy()
