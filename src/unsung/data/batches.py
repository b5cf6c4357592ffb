"""Training segments: sample i of a run follows from (seed, i) alone, so workers cannot matter.

A coherent sample is one moment of one song. Any other takes each stem from a moment of its own
(Uhlich et al. 2017, doi:10.1109/ICASSP.2017.7952158), varied by augment.py. Some have no target.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler, default_convert

from unsung.config.schema import Augment, Params, Train
from unsung.data import augment
from unsung.data.augment import Stem, Stems
from unsung.data.shards import Row, Shards

Moment = tuple[Row, int]  # a row and its first frame
# stems: complex (target + 1, channel, freq, frame), the last is the sum of all others; number: ().
# A batch has one more axis in front.
Sample = dict[str, Tensor]


class Segments(Dataset[Sample]):
    """All samples of a run by number."""

    def __init__(self, shards: Shards, targets: tuple[str, ...], frames: int, settings: Augment, seed: int) -> None:
        self.shards, self.targets, self.frames, self.augment, self.seed = shards, targets, frames, settings, seed
        self.rest = tuple(stem for stem in shards.stems if stem not in targets)
        self.stft = shards.settings.stft
        self.longest = augment.longest(frames, settings, self.stft)

    def __getitem__(self, number: int) -> Sample:
        """Draw sample `number`."""
        return {name: value[0] for name, value in self.__getitems__([number]).items()}

    def __getitems__(self, numbers: Sequence[int]) -> Sample:
        """Draw a batch in place: one array of numpy lies in huge pages and takes half the time."""
        batch = np.empty((len(numbers), len(self.targets) + 1, *self.shards.settings.shape[:2], self.frames), np.complex64)
        for number, sample in zip(numbers, batch, strict=True):
            self._draw(number, sample)
        return {"stems": torch.from_numpy(batch), "number": torch.tensor(numbers)}

    def _draw(self, number: int, sample: Stems) -> None:
        """Fill `sample` with the targets' stems and the sum of all others."""
        rng = np.random.default_rng([self.seed, number])
        extra_rng = np.random.default_rng([self.seed, number, 1])  # for what is off by default: it leaves rng's draws alone
        kind = rng.random()
        coherent, silent = kind < 1 - self.augment.remix, 1 - kind <= self.augment.silent
        moment, warped = self._moment(rng), augment.draw_warp(self.augment, extra_rng)
        sample[-1] = 0
        for place, stem in enumerate((*self.targets, *self.rest)):
            spectrum = self._read(stem, moment, warped) if coherent else self._remixed(stem, rng, extra_rng)
            if place < len(self.targets):
                sample[place] = 0 if silent else spectrum
            else:
                sample[-1] += spectrum
        augment.mask(sample, self.augment, extra_rng)

    def _remixed(self, stem: str, rng: np.random.Generator, extra_rng: np.random.Generator) -> Stem:
        """A stem of a moment of its own, varied, perhaps with another of its kind."""
        spectrum = self._read(stem, self._moment(rng), augment.draw_warp(self.augment, extra_rng))
        spectrum = augment.vary(spectrum, self.augment, rng, extra_rng)
        if extra_rng.random() < self.augment.mixup:
            second = self._read(stem, self._moment(extra_rng), (1.0, 0.0))
            spectrum = spectrum + augment.vary(second, self.augment, extra_rng, extra_rng)
        return spectrum

    def _read(self, stem: str, moment: Moment, warped: tuple[float, float]) -> Stem:
        row, first = moment
        if warped == (1.0, 0.0):
            return self.shards.stem(row, stem, first, self.frames)
        needed = augment.needed(self.frames, warped[0], self.stft)
        return augment.warp(self.shards.stem(row, stem, first, needed), *warped, self.frames, self.stft)

    def _moment(self, rng: np.random.Generator) -> Moment:
        row = self.shards.rows[rng.integers(len(self.shards.rows))]
        return row, int(rng.integers(self.shards.settings.frames - self.longest + 1))


class Stretch(Sampler[int]):
    """The numbers of an epoch's samples for this process: epoch e has `size` of them.

    Two processes with batches of 4 see together what one with batches of 8 sees. The first epoch is
    given, because loaders ask for samples before Lightning calls `set_epoch` in a resumed run.
    """

    def __init__(self, size: int, batch_size: int, epoch: int = 0) -> None:
        self.size, self.batch_size, self.epoch = size, batch_size, epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        several = distributed.is_available() and distributed.is_initialized()
        rank, count = (distributed.get_rank(), distributed.get_world_size()) if several else (0, 1)
        for first in range(self.epoch * self.size, (self.epoch + 1) * self.size, self.batch_size):
            mine = first * count + rank * self.batch_size
            yield from range(mine, mine + self.batch_size)

    def __len__(self) -> int:
        return self.size


def epochs(train: Train) -> tuple[int, int]:
    """The number of epochs, each ended by a validation, and their optimizer steps, all equal."""
    count = -(-train.steps // train.valid_every)
    return count, -(-train.steps // count)


def loader(segments: Segments, params: Params, epoch: int = 0) -> DataLoader[Sample]:
    """The batches of one epoch, beginning with `epoch`."""
    train, workers = params.train, params.compute.loader_workers
    size = epochs(train)[1] * train.accumulate_batches * train.batch_size
    return DataLoader(
        segments,
        train.batch_size,
        sampler=Stretch(size, train.batch_size, epoch),
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        collate_fn=default_convert,  # a batch comes as one
    )
