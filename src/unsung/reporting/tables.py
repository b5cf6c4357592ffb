"""From frames to tracks to one number: medians over the frames of a track, then over the tracks (as in SiSEC 2018)."""

from typing import Any

import pandas as pd

from unsung.scoring import MEASURES


def by_track(frames: pd.DataFrame) -> pd.DataFrame:
    """One row for each track, system and source: median scores, frames scored and frames dropped as silent."""
    groups = frames.groupby(["track", "system", "source"], sort=False)
    table = groups[list(MEASURES)].median()
    table["frames"] = groups["sdr"].count()
    table["silent_frames"] = groups["silent"].sum()
    return table.reset_index()


def by_system(tracks: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: the median over the tracks that have a score."""
    return tracks.groupby(["system", "source"], sort=False)[list(MEASURES)].median().reset_index()


def metrics(tracks: pd.DataFrame, system: str) -> dict[str, Any]:
    """metrics/separation.json: a system's medians by source, its gain over the mixture, and how much was scored.

    A measure that no track has is left out: the file holds finite numbers only.
    """
    medians = by_system(tracks).set_index(["system", "source"])
    mine = tracks[tracks["system"] == system]
    found: dict[str, Any] = {}
    for source in mine["source"].unique():
        scores = {measure: medians.loc[(system, source), measure] for measure in MEASURES}
        scores["sdr_gain"] = scores["sdr"] - medians.loc[("mixture", source), "sdr"]
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
        rows.set_index("track")[list(MEASURES)].add_prefix(f"{source}_") for source, rows in mine.groupby("source", sort=False)
    ]
    others = [
        rows.set_index("track")["sdr"].rename(f"{source}_sdr_of_{str(other).replace(' ', '_')}")
        for (other, source), rows in tracks[tracks["system"] != system].groupby(["system", "source"], sort=False)
    ]
    return pd.concat([counts, *scores, *others], axis=1).reset_index()


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table, numbers with two digits, what has no score as a dash."""

    def cell(value: Any) -> str:
        if pd.isna(value):
            return "-"
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    rows = [[str(column) for column in table.columns], ["---"] * len(table.columns)]
    rows += [[cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
