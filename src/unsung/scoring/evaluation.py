"""Scoring a test track: the model's estimate beside the least and the most that can be expected.

The floor is the mixture taken as the estimate of every source. The ceiling is the oracle ideal ratio mask, which knows the references:
each source gets the share |S| / sum |S| of the mixture's spectrum (Liutkus and Badeau 2015, doi:10.1109/ICASSP.2015.7177973,
with alpha 1).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.data.tracks import Track, mixture
from unsung.scoring.scorer import Scorer
from unsung.spectrum import Stft

SYSTEMS = ("unsung", "mixture", "oracle ideal ratio mask")


def score_track(track: Track, estimates: Path, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every frame, and the whole, of every source by every one of SYSTEMS: scoring.Scorer.tables."""
    torch.set_num_threads(1)
    reference = references(track, params.model.targets)
    song = np.concatenate(list(mixture(track)))
    systems = {
        "unsung": {source: audio.read(estimates / track.name / f"{source}.flac") for source in reference},
        "mixture": dict.fromkeys(reference, song),
        "oracle ideal ratio mask": oracle_ratio_mask(reference, song, Stft(**params.stft.model_dump())),
    }
    return Scorer(reference, params.audio.sample_rate, params.evaluate).tables(systems, track.name)


def references(track: Track, targets: tuple[str, ...]) -> dict[str, Samples]:
    """The targets, and what all other stems add up to as the accompaniment, if there are others."""
    stems = {stem: audio.read(path) for stem, path in track.stems.items() if stem != "mixture"}
    sources = {target: stems[target] for target in targets}
    if rest := [stem for name, stem in stems.items() if name not in targets]:
        sources["accompaniment"] = np.stack(rest).sum(axis=0)
    return sources


def oracle_ratio_mask(references: Mapping[str, Samples], song: Samples, stft: Stft) -> dict[str, Samples]:
    """The mixture under masks made from the references' magnitudes."""

    def transform(samples: Samples) -> torch.Tensor:
        return stft.forward(torch.from_numpy(samples.T.copy()))

    magnitudes = {source: transform(samples).abs() for source, samples in references.items()}
    total = torch.stack(list(magnitudes.values())).sum(0).clamp_min(1e-10)
    y = transform(song)
    return {source: stft.inverse(y * (magnitude / total), len(song)).numpy().T for source, magnitude in magnitudes.items()}
