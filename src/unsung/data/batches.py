"""Training segments: sample i of a run follows from (seed, i) alone, so workers cannot matter.

A coherent sample is one moment of one song. Any other takes each stem from a moment of its own
(Uhlich et al. 2017, doi:10.1109/ICASSP.2017.7952158), varied by augment.py. Some have no target.

Where tracks lack stems or folders of tracks have shares, each stem is drawn from rows in which it
sounds, and a coherent sample from rows that have all stems. Otherwise all rows are alike.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler, default_convert

from unsung.config.schema import Augment, Params, Train
from unsung.data import augment
from unsung.data.augment import Stem, Stems
from unsung.data.shards import Row, Shards
from unsung.data.shares import Shares, Urn, check_shares
from unsung.errors import UserError
from unsung.spectrum import Stft

Moment = tuple[Row, int]  # a row and its first sample
# stems: waveforms (target + 1, channel, sample), the last is the sum of all others; number: ().
# A batch has one more axis in front.
Sample = dict[str, Tensor]


class Segments(Dataset[Sample]):
    """All samples of a run by number: stems of which an STFT has `frames` frames, all from within.

    Raises:
        UserError: a share is of no track, or there is nothing to draw.
    """

    def __init__(
        self,
        shards: Shards,
        targets: tuple[str, ...],
        frames: int,
        stft: Stft,
        settings: Augment,
        seed: int,
        shares: Shares | None = None,
    ) -> None:
        self.shards, self.targets, self.stft, self.augment, self.seed = shards, targets, stft, settings, seed
        self.rest = tuple(stem for stem in shards.stems if stem not in targets)
        self.samples = stft.samples(frames)
        self.longest = augment.longest(self.samples, settings, stft)
        self.coherent, self.urns = _urns(shards, settings.remix, shares or {})

    @classmethod
    def of(cls, shards: Shards, params: Params) -> "Segments":
        """As the params describe."""
        train, stft = params.train, Stft(**params.stft.model_dump())
        frames = round(train.segment_seconds * params.audio.sample_rate / stft.hop_length)
        return cls(shards, params.model.targets, frames, stft, train.augment, params.seed, params.data.shares)

    def __getitem__(self, number: int) -> Sample:
        """Draw sample `number`."""
        return {name: value[0] for name, value in self.__getitems__([number]).items()}

    def __getitems__(self, numbers: Sequence[int]) -> Sample:
        """Draw a batch in place: one array of numpy lies in huge pages and takes half the time."""
        parts, channels = len(self.targets) + 1, self.shards.settings.channels
        batch = np.empty((len(numbers), parts, channels, self.samples), np.float32)
        for number, sample in zip(numbers, batch, strict=True):
            self._draw(number, sample)
        return {"stems": torch.from_numpy(batch), "number": torch.tensor(numbers)}

    def _draw(self, number: int, sample: Stems) -> None:
        """Fill `sample` with the targets' stems and the sum of all others."""
        rng = np.random.default_rng([self.seed, number])
        extra_rng = np.random.default_rng([self.seed, number, 1])  # for what is off by default: it leaves rng's draws alone
        kind = rng.random()
        coherent, silent = kind < 1 - self.augment.remix, 1 - kind <= self.augment.silent
        moment, warped = self._moment(self.coherent, rng), augment.draw_warp(self.augment, extra_rng)
        sample[-1] = 0
        for place, stem in enumerate((*self.targets, *self.rest)):
            waveform = self._read(stem, moment, warped) if coherent else self._remixed(stem, rng, extra_rng)
            if place < len(self.targets):
                sample[place] = 0 if silent else waveform
            else:
                sample[-1] += waveform
        augment.mask(sample, self.augment, extra_rng)

    def _remixed(self, stem: str, rng: np.random.Generator, extra_rng: np.random.Generator) -> Stem:
        """A stem of a moment of its own, varied, perhaps with another of its kind."""
        urn = self.urns[stem]
        waveform = self._read(stem, self._moment(urn, rng), augment.draw_warp(self.augment, extra_rng))
        waveform = augment.vary(waveform, self.augment, rng, extra_rng)
        if extra_rng.random() < self.augment.mixup:
            second = self._read(stem, self._moment(urn, extra_rng), (1.0, 0.0))
            waveform = waveform + augment.vary(second, self.augment, extra_rng, extra_rng)
        return waveform

    def _read(self, stem: str, moment: Moment, warped: tuple[float, float]) -> Stem:
        row, first = moment
        if warped == (1.0, 0.0):
            return self.shards.stem(row, stem, first, self.samples)
        needed = augment.needed(self.samples, warped[0], self.stft)
        return augment.warp(self.shards.stem(row, stem, first, needed), *warped, self.samples, self.stft)

    def _moment(self, urn: Urn, rng: np.random.Generator) -> Moment:
        row = urn.draw(rng)
        return row, int(rng.integers(self.shards.settings.samples - self.longest + 1))


def _urns(shards: Shards, remix: float, shares: Shares) -> tuple[Urn, Mapping[str, Urn]]:
    """What coherent samples are drawn from, and what each stem of a remixed one.

    Raises:
        UserError: one that is needed is empty, or a share is of no track.
    """
    check_shares(shares, {row.track for row in shards.rows})
    all_of_them, whole = Urn(shards.rows), shards.whole
    if not shares and len(whole) == len(shards.rows):
        return all_of_them, dict.fromkeys(shards.stems, all_of_them)
    coherent = Urn(whole, shares) if remix < 1 else all_of_them  # with 1 it is never read
    if coherent.empty:
        have = f"no train track that is drawn from has all of {', '.join(shards.stems)}"
        raise UserError(f"{have}, and train.augment.remix is {remix}; set it to 1, or add songs that have them")
    urns = {stem: Urn([row for row in shards.rows if row.sounds(stem)], shares) for stem in shards.stems}
    if lacking := [stem for stem, urn in urns.items() if remix and urn.empty]:
        raise UserError(f"{lacking[0]} sounds in no train track that is drawn from; add recordings of it, or mend data.shares")
    return coherent, urns


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
