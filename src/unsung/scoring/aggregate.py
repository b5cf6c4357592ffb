"""From frames to tracks to one number: medians over frames, then over tracks, as in SiSEC 2018.

uSDR is the mean of the tracks' global SDR. NSDR is the BSSEval v3 SDR of a whole track minus the
mixture's. GNSDR, GSIR and GSAR are means over whole tracks, weighted by length (Hsu and Jang 2010,
doi:10.1109/TASL.2009.2026503). docs/metrics.md has the formulas.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from unsung.scoring.intervals import of_median
from unsung.scoring.scorer import MEASURES, REASONS, SOURCES, WHOLE

KEYS = ["track", "system", "source"]
MEDIANS = (*MEASURES, "si_sdr", "stft_distance", "nsdr")  # over tracks
COUNTS = ("frames", "silent_frames", "silent_estimates")  # scored, and dropped for either reason


def by_track(frames: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """One row for each track, system and source: medians over frames, counts, other scores."""
    groups = frames.groupby(KEYS, sort=False)
    table = groups[list(MEASURES)].median().assign(frames=groups["sdr"].count())
    for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True):
        table[name] = groups["dropped"].agg(lambda reasons, reason=reason: int((reasons == reason).sum()))
    table = table.join(whole.set_index(KEYS)[["seconds", *WHOLE, "ill_posed"]])
    mixture = table["v3_sdr"][table.index.get_level_values("system") == "mixture"].droplevel("system")
    table["nsdr"] = table["v3_sdr"] - mixture.reindex(table.index.droplevel("system")).to_numpy()
    return table.reset_index()


def by_system(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: medians over tracks, the SDR's interval, means, sums."""
    rows = []
    for (system, source), some in tracks.groupby(["system", "source"], sort=False):
        low, high = of_median(some["sdr"].to_numpy(float))
        means = {f"g{name.removeprefix('v3_')}": _mean(some[name], some["seconds"]) for name in ("nsdr", "v3_sir", "v3_sar")}
        rows.append(
            {"system": system, "source": source, "sdr": some["sdr"].median(), "sdr_low": low, "sdr_high": high}
            | {name: some[name].median() for name in MEDIANS[1:]}
            | {"usdr": _mean(some["global_sdr"], some["seconds"] * 0 + 1), **means}
            | {name: int(some[name].sum()) for name in COUNTS}
        )
    return pd.DataFrame(rows)


def _mean(values: pd.Series, weights: pd.Series) -> float:
    finite = np.isfinite(values)  # an SIR without interference is infinite
    return float((values * weights)[finite].sum() / weights[finite].sum()) if finite.any() else float("nan")


def metrics(tracks: pd.DataFrame, system: str) -> dict[str, Any]:
    """metrics/separation.json: a system's scores by source, its gain over the mixture, and counts.

    A score that is not finite is left out.
    """
    table = by_system(tracks).set_index(["system", "source"])
    mine = tracks[tracks["system"] == system]
    by_source: dict[str, Any] = {}
    for source in mine["source"].unique():
        scores = table.loc[(system, source)].drop(list(COUNTS)).to_dict()
        scores["sdr_gain"] = scores["sdr"] - table.loc[("mixture", source), "sdr"]
        by_source[source] = {name: round(float(value), 4) for name, value in scores.items() if np.isfinite(value)}
    first = mine[mine["source"] == mine["source"].iloc[0]]
    counts = {name: first[name].sum() for name in COUNTS} | {"tracks": len(first), "unscored_tracks": (first["frames"] == 0).sum()}
    return {**by_source, "counts": {name: int(count) for name, count in counts.items()}}


def wide(tracks: pd.DataFrame, system: str) -> pd.DataFrame:
    """One row for each track: a system's scores by source, and the SDR of the other systems."""
    mine = tracks[tracks["system"] == system]
    counts = mine.drop_duplicates("track").set_index("track")[list(COUNTS)]
    columns = [*MEASURES, "global_sdr", "si_sdr", "stft_distance", "nsdr"]
    scores = [rows.set_index("track")[columns].add_prefix(f"{source}_") for source, rows in mine.groupby("source", sort=False)]
    others = [
        rows.set_index("track")["sdr"].rename(f"{source}_sdr_of_{str(other).replace(' ', '_')}")
        for (other, source), rows in tracks[tracks["system"] != system].groupby(["system", "source"], sort=False)
    ]
    return pd.concat([counts, *scores, *others], axis=1).reset_index()


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """A table of by_system or by_track for people: intervals as text, no empty column."""
    hidden = ["sdr_low", "sdr_high", *COUNTS, "seconds", "ill_posed", *SOURCES]
    rows = table.drop(columns=hidden, errors="ignore").dropna(axis="columns", how="all")
    if "sdr_low" in table and "sdr" in rows:
        ends = zip(table["sdr_low"], table["sdr_high"], strict=True)
        intervals = [f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "-" for low, high in ends]
        rows.insert(list(rows.columns).index("sdr") + 1, "95 %", intervals)
    counts = {"frames scored": table["frames"], "dropped": [dropped(row) for _, row in table.iterrows()]}
    return rows.assign(**counts).rename(columns=lambda name: name.replace("_", " "))


def dropped(counts: Mapping[str, int] | pd.Series) -> str:
    """How many frames have no score, and why."""
    reasons = [f"{counts[name]} {reason}" for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True) if counts[name]]
    return ", ".join(reasons) or "0"
