"""The SDR of the validation tracks against the number of network calls: what `processes.<process>.steps` is chosen by."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from unsung.config.params import Params
from unsung.data.tracks import Track
from unsung.separation import load
from unsung.training import valid_plan, valid_sdr


def sweep_track(track: Track, model: Path, params: Params) -> pd.DataFrame:
    """One row for each number of calls, that of the process among them: track, steps, valid_sdr (dB).

    A process without a state knows one call only.
    """
    torch.set_num_threads(1)
    separator, plan = load(model, params.separate), valid_plan(params)
    calls = sorted({*params.sweep.steps, params.process.steps}) if separator.process.has_state else [1]
    rows = [(steps, valid_sdr(separator, track, replace(plan, sampling=params.sampling | {"steps": steps}))) for steps in calls]
    return pd.DataFrame(rows, columns=["steps", "valid_sdr"]).assign(track=track.name)


def over_tracks(found: list[pd.DataFrame]) -> pd.DataFrame:
    """The mean over the tracks, and how many there are: steps, valid_sdr, tracks."""
    groups = pd.concat(found).groupby("steps", sort=True)["valid_sdr"]
    return groups.agg(valid_sdr="mean", tracks="size").reset_index()
