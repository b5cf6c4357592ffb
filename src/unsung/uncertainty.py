"""Uncertainty maps: the spread of a process's draws at each frequency and moment of a track."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from unsung.config.schema import Uncertainty
from unsung.data.maps import FRAMES, FREQS, Maps, save_maps
from unsung.data.tracks import Track, mixture
from unsung.devices import generators
from unsung.models.separator import Separator
from unsung.separation import Method
from unsung.windows import Plan, windows


def write_maps(track: Track, folder: Path, method: Method, wanted: Uncertainty) -> None:
    """Write the maps of a track to `folder/<track>`, unless they exist or all draws are the same.

    A map is the standard deviation over `wanted.draws` draws of `wanted.calls` network calls each.
    """
    torch.set_num_threads(1)
    separator = method.load()
    if wanted.draws < 2 or not separator.process.states or (folder / track.name).exists():
        return
    separator.sample_in(wanted.calls, wanted.draws)
    if pieces := list(_pieces(separator, track, method)):
        save_maps(folder / track.name, separator.config.targets, np.concatenate(pieces, axis=2))


def _pieces(separator: Separator, track: Track, method: Method) -> Iterator[Maps]:
    """The maps of the windows, one after the other; none if there is a single draw."""
    step = separator.config.hop_length * FRAMES
    length = max(1, round(method.separate.window_seconds * separator.config.sample_rate / step)) * step
    for window in windows(mixture(track), Plan(length, overlap=0, batch_size=1, seed=method.seed)):
        rngs = generators([(method.seed, window.start)], separator.device)
        waveform = torch.from_numpy(window.samples.T.copy())[None].to(separator.device)
        with torch.inference_mode():
            draws = separator.draws(waveform, rngs)[:, 0].cpu()
        if len(draws) > 1:
            power = draws.std(0).square().mean(1)[..., :-1]  # over the channels; the next window begins with the last frame
            columns = torch.nn.functional.avg_pool2d(power, (FREQS, FRAMES), ceil_mode=True)
            yield columns[..., : -(-window.length // step)].sqrt().half().numpy()  # without the padding
