"""Training segments: sample i of a run is a function of (seed, i), whatever the number of workers and after resuming.

A coherent sample is one moment of one song. Any other takes each stem from a moment of its own (Uhlich et al. 2017,
doi:10.1109/ICASSP.2017.7952158), varied by augment.py. Some samples have no target at all, so that silence is learned.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from unsung.data import augment
from unsung.data.shards import Row, Shards
from unsung.params import Params, Remix, Train

Sample = dict[str, Tensor]  # stems: complex (target + 1, channel, freq, frame), the last being all the rest; number: ()


class Segments(Dataset[Sample]):
    """All samples of a run by number."""

    def __init__(self, shards: Shards, targets: tuple[str, ...], frames: int, remix: Remix, seed: int) -> None:
        self.shards, self.targets, self.frames, self.remix, self.seed = shards, targets, frames, remix, seed
        self.rest = tuple(stem for stem in shards.stems if stem not in targets)

    def __getitem__(self, number: int) -> Sample:
        """Draw sample `number`."""
        rng = np.random.default_rng([self.seed, number])
        kind = rng.random()
        coherent, silent = kind < self.remix.coherent, 1 - kind <= self.remix.silent
        moment = self._moment(rng)
        stems = {}
        for stem in (*self.targets, *self.rest):
            row, first = moment if coherent else self._moment(rng)
            stems[stem] = self.shards.stem(row, stem, first, self.frames)
            if not coherent:
                stems[stem] = augment.vary(stems[stem], self.remix, rng)
        nothing = np.zeros_like(next(iter(stems.values())))
        found = [nothing if silent else stems[target] for target in self.targets]
        found.append(sum((stems[stem] for stem in self.rest), start=nothing))
        return {"stems": torch.from_numpy(np.stack(found)), "number": torch.tensor(number)}

    def _moment(self, rng: np.random.Generator) -> tuple[Row, int]:
        row = self.shards.rows[rng.integers(len(self.shards.rows))]
        return row, int(rng.integers(self.shards.settings.frames - self.frames + 1))


class Stretch(Sampler[int]):
    """The numbers of one epoch's samples: epoch e has `size` of them, from e * size on.

    The epoch to begin with is given, because loader processes ask for samples before Lightning calls `set_epoch` in a resumed run.
    """

    def __init__(self, size: int, epoch: int = 0) -> None:
        self.size, self.epoch = size, epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.size, (self.epoch + 1) * self.size))

    def __len__(self) -> int:
        return self.size


def epochs(train: Train) -> tuple[int, int]:
    """How many epochs there are, and the optimizer steps of each, all equal: an epoch is the stretch between two validations."""
    count = -(-train.steps // train.valid_every)
    return count, -(-train.steps // count)


def loader(segments: Segments, params: Params, epoch: int = 0) -> DataLoader[Sample]:
    """The batches of one epoch, beginning with `epoch`."""
    train, workers = params.train, params.compute.loader_workers
    size = epochs(train)[1] * train.accumulate * train.batch_size
    return DataLoader(
        segments,
        train.batch_size,
        sampler=Stretch(size, epoch),
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )
