"""From frames to tracks to one number: medians over the frames of a track, then over the tracks (as in SiSEC 2018).

uSDR is the mean of the tracks' global SDR. NSDR is the SDR of a whole track (BSSEval v3) minus that of the mixture; GNSDR, GSIR and
GSAR are means over whole tracks, weighted by their length, as the literature on MIR-1K has them (Hsu and Jang 2010,
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
COUNTS = ("frames", "silent_frames", "silent_estimates")  # scored; dropped for a silent reference; for a silent estimate
SHORTLY = ("seconds", "ill_posed", *SOURCES)  # columns of by_track that are no figures for people
OF_A_TRACK = (*MEASURES, "global_sdr", "si_sdr", "stft_distance", "nsdr")


def by_track(frames: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """One row for each track, system and source: median scores of the frames, how many there are, the scores of the whole, NSDR."""
    groups = frames.groupby(KEYS, sort=False)
    table = groups[list(MEASURES)].median()
    table["frames"] = groups["sdr"].count()
    for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True):
        table[name] = groups["dropped"].agg(lambda reasons, reason=reason: int((reasons == reason).sum()))
    table = table.join(whole.set_index(KEYS)[["seconds", *WHOLE, "ill_posed"]])
    if "mixture" in table.index.get_level_values("system"):
        mixture = table["v3_sdr"].xs("mixture", level="system")
        table["nsdr"] = table["v3_sdr"] - mixture.reindex(table.index.droplevel("system")).to_numpy()
    else:
        table["nsdr"] = np.nan
    return table.reset_index()


def by_system(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: medians over the tracks, the interval of that of the SDR, means, counts."""
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
    there = np.isfinite(values)  # a ratio without any interference is infinite, and left out
    return float((values * weights)[there].sum() / weights[there].sum()) if there.any() else float("nan")


def metrics(tracks: pd.DataFrame, system: str) -> dict[str, Any]:
    """metrics/separation.json: a system's scores by source, its gain over the mixture, and how much was scored.

    A measure without a value is left out: the file holds finite numbers only.
    """
    table = by_system(tracks).set_index(["system", "source"])
    mine = tracks[tracks["system"] == system]
    found: dict[str, Any] = {}
    for source in mine["source"].unique():
        scores = table.loc[(system, source)].drop(list(COUNTS)).to_dict()
        scores["sdr_gain"] = scores["sdr"] - table.loc[("mixture", source), "sdr"]
        found[source] = {name: round(float(value), 4) for name, value in scores.items() if np.isfinite(value)}
    first = mine[mine["source"] == mine["source"].iloc[0]]
    counts = {name: first[name].sum() for name in COUNTS} | {"tracks": len(first), "unscored_tracks": (first["frames"] == 0).sum()}
    return {**found, "counts": {name: int(count) for name, count in counts.items()}}


def wide(tracks: pd.DataFrame, system: str) -> pd.DataFrame:
    """One row for each track, as a plot wants it: a system's scores by source, and the SDR of the other systems beside them."""
    mine = tracks[tracks["system"] == system]
    counts = mine.drop_duplicates("track").set_index("track")[list(COUNTS)]
    scores = [
        rows.set_index("track")[list(OF_A_TRACK)].add_prefix(f"{source}_") for source, rows in mine.groupby("source", sort=False)
    ]
    others = [
        rows.set_index("track")["sdr"].rename(f"{source}_sdr_of_{str(other).replace(' ', '_')}")
        for (other, source), rows in tracks[tracks["system"] != system].groupby(["system", "source"], sort=False)
    ]
    return pd.concat([counts, *scores, *others], axis=1).reset_index()


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of by_system or by_track for people: the SDR's interval and the frames without a score in words, nothing empty."""
    found = table.drop(columns=["sdr_low", "sdr_high", *COUNTS, *SHORTLY], errors="ignore").dropna(axis="columns", how="all")
    if "sdr_low" in table and "sdr" in found:
        ends = zip(table["sdr_low"], table["sdr_high"], strict=True)
        words = [f"{low:.2f} to {high:.2f}" if np.isfinite(low) else "-" for low, high in ends]
        found.insert(list(found.columns).index("sdr") + 1, "95 %", words)
    counts = {"frames scored": table["frames"], "dropped": [dropped(row) for _, row in table.iterrows()]}
    return found.assign(**counts).rename(columns=lambda name: name.replace("_", " "))


def dropped(counts: Mapping[str, int] | pd.Series) -> str:
    """How many frames have no score, and why."""
    reasons = [f"{counts[name]} {reason}" for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True) if counts[name]]
    return ", ".join(reasons) or "0"
