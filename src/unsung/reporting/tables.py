"""From frames to tracks to one number: medians over the frames of a track, then over the tracks (as in SiSEC 2018).

NSDR is the SDR of a whole track (BSSEval v3) minus that of the mixture. GNSDR, GSIR and GSAR are means over whole tracks, weighted
by their length, as the literature on MIR-1K has them (Hsu and Jang 2010, doi:10.1109/TASL.2009.2026503).
"""

from typing import Any

import pandas as pd

from unsung.scoring import MEASURES, WHOLE

KEYS = ["track", "system", "source"]


def by_track(frames: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """One row for each track, system and source: median scores, frames scored and dropped as silent, NSDR where `whole` has it."""
    groups = frames.groupby(KEYS, sort=False)
    table = groups[list(MEASURES)].median()
    table["frames"] = groups["sdr"].count()
    table["silent_frames"] = groups["silent"].sum()
    if len(whole):
        table["nsdr"] = nsdr(whole)
    return table.reset_index()


def measures(tracks: pd.DataFrame) -> list[str]:
    """The scores that a table of tracks has."""
    return [name for name in (*MEASURES, "nsdr") if name in tracks]


def nsdr(whole: pd.DataFrame) -> pd.Series:
    """By KEYS."""
    sdr = whole.set_index(KEYS)["sdr"].astype(float)
    return sdr - sdr.xs("mixture", level="system").reindex(sdr.index.droplevel("system")).to_numpy()


def by_system(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: the median over the tracks that have a score."""
    return tracks.groupby(["system", "source"], sort=False)[measures(tracks)].median().reset_index()


def over_length(whole: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: gnsdr, gsir and gsar, of the tracks that have a score."""
    scored = whole.assign(nsdr=nsdr(whole).to_numpy()) if len(whole) else whole.assign(nsdr=[])
    rows = [
        {"system": system, "source": source} | {f"g{name}": _mean(rows[name], rows["seconds"]) for name in ("nsdr", *WHOLE[1:])}
        for (system, source), rows in scored.groupby(["system", "source"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["system", "source", "gnsdr", "gsir", "gsar"])


def _mean(values: pd.Series, weights: pd.Series) -> float:
    there = values.notna()  # a ratio without any interference is infinite, and left out
    return float((values * weights)[there].sum() / weights[there].sum()) if there.any() else float("nan")


def metrics(tracks: pd.DataFrame, whole: pd.DataFrame, system: str) -> dict[str, Any]:
    """metrics/separation.json: a system's medians by source, its gain over the mixture, and how much was scored.

    `whole` adds gnsdr, gsir and gsar where it has rows. A measure without a value is left out: the file holds finite numbers only.
    """
    medians = by_system(tracks).set_index(["system", "source"])
    lengthwise = over_length(whole).set_index(["system", "source"])
    mine = tracks[tracks["system"] == system]
    found: dict[str, Any] = {}
    for source in mine["source"].unique():
        scores = {measure: medians.loc[(system, source), measure] for measure in measures(tracks)}
        scores["sdr_gain"] = scores["sdr"] - medians.loc[("mixture", source), "sdr"]
        if (system, source) in lengthwise.index:
            scores |= lengthwise.loc[(system, source)].to_dict()
        found[source] = {name: round(float(value), 4) for name, value in scores.items() if pd.notna(value)}
    first = mine[mine["source"] == mine["source"].iloc[0]]
    counts = {"frames": first["frames"].sum(), "silent_frames": first["silent_frames"].sum()}
    counts |= {"tracks": len(first), "unscored_tracks": (first["frames"] == 0).sum()}
    return {**found, "counts": {name: int(count) for name, count in counts.items()}}


def wide(tracks: pd.DataFrame, system: str) -> pd.DataFrame:
    """One row for each track, as a plot wants it: a system's scores by source, and the SDR of the other systems beside them."""
    mine = tracks[tracks["system"] == system]
    counts = mine.drop_duplicates("track").set_index("track")[["frames", "silent_frames"]]
    scores = [
        rows.set_index("track")[measures(tracks)].add_prefix(f"{source}_") for source, rows in mine.groupby("source", sort=False)
    ]
    others = [
        rows.set_index("track")["sdr"].rename(f"{source}_sdr_of_{str(other).replace(' ', '_')}")
        for (other, source), rows in tracks[tracks["system"] != system].groupby(["system", "source"], sort=False)
    ]
    return pd.concat([counts, *scores, *others], axis=1).reset_index()


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table, numbers with two digits behind the point, small ones with two that count, what has no score as a dash."""

    def cell(value: Any) -> str:
        if pd.isna(value):
            return "-"
        return str(value) if not isinstance(value, float) else f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"

    rows = [[str(column) for column in table.columns], ["---"] * len(table.columns)]
    rows += [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
