"""What a vocoder is tuned on: the log-mels that a restyler predicts, beside the true waveforms."""

import torch

from unsung.data.shards import Shards
from unsung.devices import generators
from unsung.restyle.batches import whole_pair
from unsung.restyle.restyler import Restyler
from unsung.restyle.schema import Params
from unsung.restyle.vocoder.training import Pair


def predicted_pairs(shards: Shards, restyler: Restyler, params: Params) -> list[Pair]:
    """The log-mels that a restyler predicts of all segments, beside the waveforms of the truth."""
    found = []
    for number in range(len(shards.rows)):
        source, target = whole_pair(shards, number, params)
        with torch.no_grad():
            found.append((restyler(source[None], generators([(params.seed, 6, number)], source.device))[0], target))
    return found
