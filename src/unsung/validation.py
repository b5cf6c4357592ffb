"""The SDR of validation tracks, which chooses the best weights and the number of network calls."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from unsung import audio, separation
from unsung.config.schema import Params
from unsung.data.tracks import Track, mixture
from unsung.models.separator import Separator
from unsung.scoring import formulas
from unsung.windows import Plan


def valid_plan(params: Params) -> Plan:
    """Windows of 8 s that overlap by 2 s, independent of the params of the stage `separate`."""
    second = params.audio.sample_rate
    return Plan(8 * second, 2 * second, batch_size=1, seed=params.seed)


def valid_sdr(separator: Separator, track: Track, plan: Plan) -> float:
    """The median SDR (dB) over the seconds in which a target sounds, averaged over the targets."""
    separator.eval()
    estimates = np.concatenate(list(separation.stems(separator, mixture(track), plan)), axis=1)
    second = separator.config.sample_rate
    medians = []
    for target, estimate in zip(separator.config.targets, estimates, strict=True):
        reference = audio.read(track.stems[target])
        sounds = ~formulas.silent(reference, second)
        medians.append(np.median(formulas.framewise_sdr(reference, estimate, second)[sounds]) if sounds.any() else 0.0)
    return float(np.mean(medians))


def sweep_track(track: Track, method: separation.Method, plan: Plan, calls: Sequence[int]) -> pd.DataFrame:
    """A row (calls, valid_sdr in dB, track) for each number of calls, also the process's own."""
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
