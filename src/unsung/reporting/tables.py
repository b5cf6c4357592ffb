"""From frames to tracks to one number: medians over the frames of a track, then over the tracks (as in SiSEC 2018).

Whole tracks (BSSEval v3) are averaged by their length, as the literature on MIR-1K does (Hsu and Jang 2010,
doi:10.1109/TASL.2009.2026503): GSIR and GSAR are such means, GNSDR that of NSDR, the SDR minus that of the mixture.
"""

from typing import Any

import pandas as pd

from unsung.scoring import MEASURES, WHOLE


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


def over_length(whole: pd.DataFrame) -> pd.DataFrame:
    """One row for each system and source: gnsdr, gsir and gsar, of the tracks that have a score."""
    scored = whole.dropna(subset="sdr")
    keys = ["track", "source"]
    floor = scored[scored["system"] == "mixture"].set_index(keys)["sdr"]
    scored = scored.assign(nsdr=scored["sdr"] - floor.reindex(scored.set_index(keys).index).to_numpy())
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

    `whole` adds gnsdr, gsir and gsar where it has rows.

    A measure that no track has is left out: the file holds finite numbers only.
    """
    medians = by_system(tracks).set_index(["system", "source"])
    lengthwise = over_length(whole).set_index(["system", "source"])
    mine = tracks[tracks["system"] == system]
    found: dict[str, Any] = {}
    for source in mine["source"].unique():
        scores = {measure: medians.loc[(system, source), measure] for measure in MEASURES}
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
