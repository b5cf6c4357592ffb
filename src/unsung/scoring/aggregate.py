"""From frames to tracks to one number: medians over frames, then over tracks, as in SiSEC 2018.

uSDR is the mean of the tracks' global SDR. NSDR is the BSSEval v3 SDR of a whole track minus the
mixture's. GNSDR, GSIR and GSAR are means over whole tracks, weighted by length (Hsu and Jang 2010,
doi:10.1109/TASL.2009.2026503). docs/metrics.md has the formulas.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from unsung.scoring.intervals import of_median
from unsung.scoring.scorer import MEASURES, PITCH, REASONS, SOURCES, WHOLE, Rows

KEYS = ("track", "system", "source")
MEDIANS = (*MEASURES, "si_sdr", "stft_distance", "nsdr", PITCH)  # over tracks
COUNTS = ("frames", "silent_frames", "silent_estimates")  # scored, and dropped for either reason
HIDDEN = {"sdr_low", "sdr_high", *COUNTS, "seconds", "ill_posed", *SOURCES}  # of what is shown


def grouped(rows: Rows, *names: str) -> dict[tuple[Any, ...], Rows]:
    """The rows by their values in these columns, in the order in which the values first come."""
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def by_track(frames: Rows, whole: Rows) -> Rows:
    """One row for each track, system and source: medians over frames, counts, other scores."""
    others = {tuple(row[name] for name in KEYS): row for row in whole}
    rows = []
    for (track, system, source), some in grouped(frames, *KEYS).items():
        reasons = [row["dropped"] for row in some]
        row = dict(zip(KEYS, (track, system, source), strict=True)) | {name: _median(some, name) for name in MEASURES}
        row["frames"] = sum(not math.isnan(frame["sdr"]) for frame in some)
        row |= {name: reasons.count(reason) for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True)}
        known = others[track, system, source]
        row |= {name: known[name] for name in ("seconds", *WHOLE, PITCH, "ill_posed") if name in known}
        mixture = others.get((track, "mixture", source), {"v3_sdr": math.nan})
        rows.append(row | {"nsdr": row["v3_sdr"] - mixture["v3_sdr"]})
    return rows


def by_system(tracks: Rows) -> Rows:
    """One row for each system and source: medians over tracks, the SDR's interval, means, sums."""
    rows = []
    for (system, source), some in grouped(tracks, "system", "source").items():
        low, high = of_median(_values(some, "sdr"))
        lengths = _values(some, "seconds")
        means = {f"g{name.removeprefix('v3_')}": _mean(some, name, lengths) for name in ("nsdr", "v3_sir", "v3_sar")}
        rows.append(
            {"system": system, "source": source, "sdr": _median(some, "sdr"), "sdr_low": low, "sdr_high": high, **_tail(some)}
            | {name: _median(some, name) for name in MEDIANS[1:] if name in some[0]}
            | {"usdr": _mean(some, "global_sdr", np.ones(len(some))), **means}
            | {name: sum(row[name] for row in some) for name in COUNTS}
        )
    return rows


def _values(rows: Rows, name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)


def _numbers(rows: Rows, name: str) -> np.ndarray:
    values = _values(rows, name)
    return values[~np.isnan(values)]


def _median(rows: Rows, name: str) -> float:
    """The median of what is a number; NaN if nothing is."""
    numbers = _numbers(rows, name)
    return float(np.median(numbers)) if len(numbers) else math.nan


def _tail(rows: Rows) -> dict[str, float]:
    """The SDR that nine in ten tracks exceed, and the lowest."""
    numbers = _numbers(rows, "sdr")
    p10, worst = (float(np.percentile(numbers, percent)) for percent in (10, 0)) if len(numbers) else (math.nan, math.nan)
    return {"sdr_p10": p10, "sdr_worst": worst}


def _mean(rows: Rows, name: str, weights: np.ndarray) -> float:
    values = _values(rows, name)
    finite = np.isfinite(values)  # an SIR without interference is infinite
    return float((values * weights)[finite].sum() / weights[finite].sum()) if finite.any() else math.nan


def metrics(tracks: Rows, system: str) -> dict[str, Any]:
    """metrics/separation.json: a system's scores by source, its gain over the mixture, and counts.

    A score that is not finite is left out.
    """
    table = {(row["system"], row["source"]): row for row in by_system(tracks)}
    mine = {source: rows for (name, source), rows in grouped(tracks, "system", "source").items() if name == system}
    by_source: dict[str, Any] = {}
    for source in mine:
        scores = {name: value for name, value in table[system, source].items() if name not in ("system", "source", *COUNTS)}
        scores["sdr_gain"] = scores["sdr"] - table["mixture", source]["sdr"]
        by_source[source] = {name: round(value, 4) for name, value in scores.items() if math.isfinite(value)}
    first = next(iter(mine.values()))
    counts = {name: sum(row[name] for row in first) for name in COUNTS}
    return {**by_source, "counts": counts | {"tracks": len(first), "unscored_tracks": sum(row["frames"] == 0 for row in first)}}


def wide(tracks: Rows, system: str) -> Rows:
    """One row for each track: a system's scores by source, and the SDR of the other systems."""
    rows: dict[str, dict[str, Any]] = {}
    for row in sorted(tracks, key=lambda row: row["system"] != system):  # the system's own scores come first
        wide = rows.setdefault(row["track"], {"track": row["track"]} | {name: row[name] for name in COUNTS})
        if row["system"] == system:
            wide |= {f"{row['source']}_{name}": row[name] for name in (*MEASURES, "global_sdr", "si_sdr", "stft_distance", "nsdr")}
        else:
            wide[f"{row['source']}_sdr_of_{row['system'].replace(' ', '_')}"] = row["sdr"]
    return list(rows.values())


def columns(rows: Rows, names: Iterable[str]) -> dict[str, list[Any]]:
    """A table of rows as columns, which is how tables are written."""
    return {name: [row[name] for row in rows] for name in names}


def shown(rows: Rows, names: Iterable[str] = ()) -> dict[str, list[Any]]:
    """Columns of by_system or by_track for people: intervals as text, none that is empty."""
    table = {}
    for name, values in columns(rows, (name for name in names or rows[0] if name not in HIDDEN)).items():
        if all(isinstance(value, float) and math.isnan(value) for value in values):
            continue
        table[name.replace("_", " ")] = values
        if name == "sdr" and "sdr_low" in rows[0]:
            table["95 %"] = [_interval(row["sdr_low"], row["sdr_high"]) for row in rows]
    return table | {"frames scored": [row["frames"] for row in rows], "dropped": [dropped(row) for row in rows]}


def _interval(low: float, high: float) -> str:
    return f"{low:.2f} to {high:.2f}" if math.isfinite(low) else "-"


def dropped(counts: Mapping[str, Any]) -> str:
    """How many frames have no score, and why."""
    reasons = [f"{counts[name]} {reason}" for name, reason in zip(COUNTS[1:], REASONS[1:], strict=True) if counts[name]]
    return ", ".join(reasons) or "0"
