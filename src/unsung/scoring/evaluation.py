"""Scores a test track: the model's estimates, the mixture and the oracle ideal ratio mask.

The mixture as the estimate of each source is the floor. The oracle mask knows the references, so it
is near the ceiling: a source gets the share |S| / sum |S| of the mixture's spectrum (Liutkus and
Badeau 2015, doi:10.1109/ICASSP.2015.7177973, with alpha 1).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.data.tracks import Track, mixture
from unsung.errors import UserError
from unsung.scoring.pitch import SINGS, pitch_of, raw_pitch_accuracy
from unsung.scoring.scorer import MEASURES, PITCH, WHOLE, Rows, Scorer
from unsung.spectrum import Stft

SYSTEMS = ("unsung", "mixture", "oracle ideal ratio mask")
DECIMALS = 6  # of a score in dB in a file


def score_track(track: Track, estimates: Path, params: Params) -> tuple[Rows, Rows]:
    """`Scorer.tables` of a track by all SYSTEMS; `estimates` holds <track>/<source>.flac.

    Raises:
        UserError: an estimate is missing or has another length; the track lacks a target.
    """
    torch.set_num_threads(1)
    reference = references(track, params.model.targets)
    song = np.concatenate(list(mixture(track)))
    systems = {
        "unsung": {source: read_estimate(estimates / track.name / f"{source}.flac", song.shape) for source in reference},
        "mixture": dict.fromkeys(reference, song),
        "oracle ideal ratio mask": oracle_ratio_mask(reference, song, Stft(**params.stft.model_dump())),
    }
    frames, whole = Scorer(reference, params.audio.sample_rate, params.evaluate).tables(systems, track.name)
    return frames, _with_pitch(whole, reference, systems, params.audio.sample_rate)


def _with_pitch(rows: Rows, reference: Mapping[str, Samples], systems: Mapping[str, Mapping[str, Samples]], rate: int) -> Rows:
    """The rows with PITCH; NaN for what does not sing."""
    true = pitch_of(reference[SINGS], rate) if SINGS in reference else None
    found = {name: raw_pitch_accuracy(true, pitch_of(estimates[SINGS], rate)) for name, estimates in systems.items() if true}
    return [row | {PITCH: found.get(row["system"], np.nan) if row["source"] == SINGS else np.nan} for row in rows]


def rounded(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """A table of these rows, scores to DECIMALS places; what is infinite or NaN stays.

    Machines add up in different orders, so that scores differ by 1e-14 to 1e-7 dB. Rounded they are
    the same, but for one that lies about as near to the middle between two steps: where scores
    differ by 1e-9 dB, one in a thousand.
    """
    table = pd.DataFrame(rows)
    scores = table.columns.intersection([*MEASURES, *WHOLE, PITCH])
    return table.assign(**{name: table[name].round(DECIMALS) + 0.0 for name in scores})  # -0.0 + 0.0 is 0.0


def read_estimate(path: Path, shape: tuple[int, ...]) -> Samples:
    """An estimate of a song of this shape.

    Raises:
        UserError: it is missing, or has another shape.
    """
    samples = audio.read(path) if path.exists() else np.zeros((0, 0), np.float32)
    if samples.shape != shape:
        raise UserError(f"{path} is missing or not of this song; run the stage separate again (dvc repro -f separate)")
    return samples


def references(track: Track, targets: tuple[str, ...]) -> dict[str, Samples]:
    """The targets and, as the accompaniment, the sum of all other stems, if there are any.

    Raises:
        UserError: the track lacks a target.
    """
    stems = {stem: audio.read(path) for stem, path in track.stems.items() if stem != "mixture"}
    if lacking := set(targets) - set(stems):
        raise UserError(f'"{track.name}" has no {min(lacking)}; run the stage resample again (dvc repro), or mend model.targets')
    sources = {target: stems[target] for target in targets}
    if rest := [stem for name, stem in stems.items() if name not in targets]:
        sources["accompaniment"] = np.stack(rest).sum(axis=0)
    return sources


def oracle_ratio_mask(references: Mapping[str, Samples], song: Samples, stft: Stft) -> dict[str, Samples]:
    """The mixture times masks made from the references' magnitudes; all are (frame, channel)."""
    magnitudes = {source: stft.forward(torch.from_numpy(samples.T.copy())).abs() for source, samples in references.items()}
    total = torch.stack(list(magnitudes.values())).sum(0).clamp_min(1e-10)
    y = stft.forward(torch.from_numpy(song.T.copy()))
    return {source: stft.inverse(y * (magnitude / total), len(song)).numpy().T for source, magnitude in magnitudes.items()}
