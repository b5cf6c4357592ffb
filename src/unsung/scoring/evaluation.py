"""Scoring a test track: the model's estimate beside the least and the most that can be expected.

The floor is the mixture taken as the estimate of every source. The ceiling is the ideal ratio mask, which knows the truth:
each source gets the share |S| / sum |S| of the mixture's spectrum (Liutkus and Badeau 2015, doi:10.1109/ICASSP.2015.7177973,
with alpha 1).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unsung import audio, spectrum
from unsung.audio import Samples
from unsung.config.params import Params
from unsung.data.tracks import Track, mixture
from unsung.scoring.scorer import Scorer

SYSTEMS = ("unsung", "mixture", "ideal ratio mask")


def score_track(track: Track, estimates: Path, params: Params) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every frame, and the whole, of every source by every one of SYSTEMS: scoring.Scorer.tables."""
    torch.set_num_threads(1)
    truth = references(track, params.model.targets)
    song = np.concatenate(list(mixture(track)))
    found = {
        "unsung": {source: audio.read(estimates / track.name / f"{source}.flac") for source in truth},
        "mixture": dict.fromkeys(truth, song),
        "ideal ratio mask": ideal_ratio_mask(truth, song, params.spectrum.n_fft, params.spectrum.hop_length),
    }
    return Scorer(truth, params.audio.sample_rate, params.evaluate).tables(found, track.name)


def references(track: Track, targets: tuple[str, ...]) -> dict[str, Samples]:
    """The targets, and what all other stems add up to as the accompaniment, if there are others."""
    stems = {stem: audio.read(path) for stem, path in track.stems.items() if stem != "mixture"}
    found = {target: stems[target] for target in targets}
    if rest := [stem for name, stem in stems.items() if name not in targets]:
        found["accompaniment"] = np.stack(rest).sum(axis=0)
    return found


def ideal_ratio_mask(truth: Mapping[str, Samples], song: Samples, n_fft: int, hop_length: int) -> dict[str, Samples]:
    """The mixture under masks made from the references' magnitudes."""

    def transform(samples: Samples) -> torch.Tensor:
        return spectrum.transform(torch.from_numpy(samples.T.copy()), n_fft, hop_length)

    magnitudes = {source: transform(samples).abs() for source, samples in truth.items()}
    total = torch.stack(list(magnitudes.values())).sum(0).clamp_min(1e-10)
    y = transform(song)
    return {
        source: spectrum.inverse(y * (magnitude / total), n_fft, hop_length, len(song)).numpy().T
        for source, magnitude in magnitudes.items()
    }
