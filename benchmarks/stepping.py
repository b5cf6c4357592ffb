"""A training step as the stage `train` makes it, for those who time it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from unsung.config.schema import Params
from unsung.data import batches
from unsung.data.shards import Settings, Shards
from unsung.devices import generators
from unsung.models.separator import Config, Separator


def segments(project: Path, params: Params) -> batches.Segments:
    """The training segments of a checkout in which the stage shard has run."""
    return batches.Segments.of(Shards(project / "data" / "shards", "train", Settings.of(params)), params)


def stepper(params: Params, stream: Iterator[batches.Sample]) -> Callable[[], None]:
    """A step on the next batch, with AdamW and moving average."""
    separator = Separator(Config.of(params, covers_song=False)).train()
    average, optimizer = AveragedModel(separator), torch.optim.AdamW(separator.parameters(), 1e-4)

    def step() -> None:
        batch = next(stream)
        rngs = generators([(0, int(number)) for number in batch["number"]], torch.device("cpu"))
        optimizer.zero_grad()
        stems = separator.config.stft.forward(batch["stems"], within=True)
        separator.loss(stems, params.train.loss, rngs)["loss"].backward()
        optimizer.step()
        average.update_parameters(separator)

    return step
