"""The SDR of validation tracks: what the best weights and the number of network calls are chosen by."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from unsung import audio, separation
from unsung.config.schema import Params
from unsung.data.tracks import Track, mixture
from unsung.models.separator import Separator
from unsung.scoring import formulas


def valid_plan(params: Params) -> separation.Plan:
    """How valid tracks are separated: in windows of 8 s that share 2 s, whatever the params of the stage `separate` are."""
    window = 8 * params.audio.sample_rate
    return separation.Plan(window, window // 4, 1, params.seed)


def valid_sdr(separator: Separator, track: Track, plan: separation.Plan) -> float:
    """The median SDR (dB) over the seconds of a track in which its targets sound, averaged over the targets."""
    separator.eval()
    estimates = np.concatenate(list(separation.stems(separator, mixture(track), plan)), axis=1)
    second = separator.config.sample_rate
    medians = []
    for target, estimate in zip(separator.config.targets, estimates, strict=True):
        reference = audio.read(track.stems[target])
        sounds = ~formulas.silent(reference, second)
        rates = formulas.framewise_sdr(reference, estimate, second)
        medians.append(np.median(rates[sounds]) if sounds.any() else 0.0)
    return float(np.mean(medians))


def sweep_track(track: Track, method: separation.Method, plan: separation.Plan, calls: Sequence[int]) -> pd.DataFrame:
    """One row for each number of calls, that of the process among them: track, calls, valid_sdr (dB).

    A process without a state knows one call only.
    """
    torch.set_num_threads(1)
    separator = method.load()
    settings, rows = separator.process.settings, []
    for number in sorted({*calls, settings.calls}) if separator.process.has_state else [1]:
        separator.sample_with(settings.changed(calls=number))
        rows.append((number, valid_sdr(separator, track, plan)))
    return pd.DataFrame(rows, columns=["calls", "valid_sdr"]).assign(track=track.name)


def over_tracks(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean over the tracks, and how many there are: calls, valid_sdr, tracks."""
    groups = pd.concat(tables).groupby("calls", sort=True)["valid_sdr"]
    return groups.agg(valid_sdr="mean", tracks="size").reset_index()
