"""Scores of validation tracks by the number of network calls, to choose that number by."""

from collections.abc import Sequence

import pandas as pd
import torch

from unsung import separation
from unsung.config.schema import Sweep
from unsung.data.tracks import Track
from unsung.draws import Case, case, draws, scores, segments
from unsung.models.separator import Separator
from unsung.scoring.generation import Spread
from unsung.validation import valid_sdr
from unsung.windows import Plan

SEGMENTS, SECONDS = 2, 4.0  # of each track, for the scores of draws
OF_DRAWS = ("draws", "mean_gain", "stft_distance", "crps", "variance", "error")


def sweep_track(track: Track, method: separation.Method, plan: Plan, sweep: Sweep) -> pd.DataFrame:
    """A row for each number of calls, also the process's own.

    calls; valid_sdr (dB) of the whole track; draws and their scores (docs/metrics.md), the mean
    over SEGMENTS moments: mean_gain is what the mean of all draws has above one in SDR (dB).
    """
    torch.set_num_threads(1)
    separator = method.load()
    settings, rows = separator.process.settings, []
    found = segments(track, separator.config.targets, round(SECONDS * separator.config.sample_rate), SEGMENTS)
    cases = [case(separator, segment) for segment in found]
    for number in sorted({*sweep.calls, settings.calls}) if separator.process.repeats else [1]:
        separator.sample_with(settings.changed(calls=number))
        row: dict[str, object] = {"track": track.name, "calls": number, "valid_sdr": valid_sdr(separator, track, plan)}
        rows.append(row | _of_draws(separator, cases, number, sweep.draws, plan.seed))
    return pd.DataFrame(rows)


def _of_draws(separator: Separator, cases: Sequence[Case], calls: int, count: int, seed: int) -> dict[str, float]:
    """The means over the cases; NaN where there is none."""
    drawn = [draws(separator, one, calls, count, seed + place) for place, one in enumerate(cases)]
    found = [scores(separator, one, those) for one, those in zip(cases, drawn, strict=True)]
    rows = [
        {
            "draws": each.spread.draws,
            "mean_gain": each.sdr_of_mean - each.sdr,
            "stft_distance": each.stft_distance,
            "crps": each.crps,
            "variance": each.spread.variance,
            "error": each.spread.error,
        }
        for each in found
    ]
    return pd.DataFrame(rows, columns=OF_DRAWS, dtype=float).mean().to_dict()


def over_tracks(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean over the tracks, and how many there are; spread_over_skill is the ratio of means."""
    groups = pd.concat(tables).drop(columns="track").groupby("calls", sort=True)
    table = groups.mean().assign(tracks=groups.size())
    spreads = table[["variance", "error", "draws"]].itertuples(index=False)
    table["spread_over_skill"] = [Spread(*values).ratio for values in spreads]
    return table[["valid_sdr", "tracks", "draws", "mean_gain", "stft_distance", "crps", "spread_over_skill"]].reset_index()
