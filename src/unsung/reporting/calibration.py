"""Whether uncertainty maps tell the truth: the spread that they show beside the error there is."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch.nn.functional import avg_pool2d

from unsung.config.schema import Params
from unsung.data.maps import FRAMES, FREQS, read_maps
from unsung.data.tracks import Track
from unsung.scoring.evaluation import read_estimate, references
from unsung.spectrum import Stft

TENTHS = 10
MOST = 100_000  # points of a map that are looked at, evenly
Pairs = Float[np.ndarray, "pair=2 _point"]  # powers of spread and error


def calibration(tracks: Iterable[Track], separated: Path, uncertainty: Path, params: Params) -> pd.DataFrame:
    """A row for each tenth of the points of all maps, from the smallest spread to the largest.

    points; spread and error: root mean squares over them, on the scale of the spectrum; ratio:
    spread over error, squared, with Fortin's factor for few draws (docs/metrics.md).
    """
    pairs = list(_pairs(tracks, separated, uncertainty, params))
    if not pairs:
        return pd.DataFrame(columns=["tenth", "points", "spread", "error", "ratio"])
    spreads, errors = np.concatenate(pairs, axis=1)
    spreads = spreads * (1 + 1 / params.uncertainty.draws)
    rows = []
    for number, some in enumerate(np.array_split(np.argsort(spreads, kind="stable"), TENTHS), start=1):
        spread, error = float(spreads[some].mean()), float(errors[some].mean())
        ratio = spread / error if error else float("nan")
        rows.append({"tenth": number, "points": len(some), "spread": spread**0.5, "error": error**0.5, "ratio": ratio})
    return pd.DataFrame(rows)


def _pairs(tracks: Iterable[Track], separated: Path, uncertainty: Path, params: Params) -> Iterator[Pairs]:
    """The points of each map, and the error of the estimate there."""
    stft = Stft(**params.stft.model_dump())
    for track in tracks:
        true = references(track, params.model.targets)
        shape = next(iter(true.values())).shape
        for target, image in read_maps(uncertainty / track.name, params.model.targets, slice(0, shape[0]), stft.hop_length).items():
            error = read_estimate(separated / track.name / f"{target}.flac", shape) - true[target]
            power = stft.forward(torch.from_numpy(error.T.copy())).abs().square().mean(0, keepdim=True)[..., :-1]
            errors = avg_pool2d(power, (FREQS, FRAMES), ceil_mode=True)[0].numpy()
            columns = min(errors.shape[1], image.shape[1])
            both = np.stack([image[:, :columns] ** 2, errors[:, :columns]]).reshape(2, -1)
            yield both[:, :: -(-both.shape[1] // MOST)]


def overall(table: pd.DataFrame) -> float:
    """The ratio over all points; 1 is calibrated, less is too sure of itself. NaN for none."""
    spread, error = ((table[name] ** 2 * table["points"]).sum() for name in ("spread", "error"))
    return float(spread / error) if error else float("nan")
