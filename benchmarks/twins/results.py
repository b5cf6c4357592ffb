"""Tables and a figure of all runs: what calls and draws bring, beside the twin without them."""

from pathlib import Path

import numpy as np
import pandas as pd

from twins.systems import REFERENCE as TWIN
from unsung.files import atomically
from unsung.scoring.generation import Spread
from unsung.scoring.intervals import of_mean

KEYS = ["system", "calls"]
SCORES = ("sdr", "sdr_of_mean", "stft", "stft_of_mean", "crps", "mae")


def write(runs: Path, rows: pd.DataFrame, out: Path) -> pd.DataFrame:
    """Write the tables of each split, curves.csv, steps.csv; returns the last summary."""
    out.mkdir(parents=True, exist_ok=True)
    for split, some in rows.groupby("split", sort=False):
        tables = {f"{split}_rows": some.drop(columns="split"), f"{split}": summary(some), f"{split}_pairs": pairs(some)}
        for name, table in tables.items():
            _write(out / f"{name}.csv", table)
    paths = sorted(runs.glob("*/*/curve.csv"))
    curves = [pd.read_csv(path).assign(system=path.parent.name, seed=int(path.parent.parent.name)) for path in paths]
    _write(out / "curves.csv", pd.concat(curves)[["system", "seed", "step", "train_loss", "valid_sdr"]])
    steps = pd.read_csv(runs / "steps.csv")
    _write(out / "steps.csv", steps[steps["system"].isin(rows["system"])])
    return summary(some)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each system and number of calls: means over seeds and tracks.

    ratio: spread over skill, of the sums over all tracks; crps_ratio: CRPS over the twin's mean
    absolute error; gnsdr: of one draw, weighted by length; p10: the SDR that nine in ten exceed.
    """
    table = rows.groupby(KEYS, sort=False).apply(_means, include_groups=False).reset_index()
    twin = table.loc[table["system"] == TWIN, "mae"]
    return table.assign(crps_ratio=table["crps"] / twin.iloc[0]) if len(twin) else table


def _means(some: pd.DataFrame) -> pd.Series:
    gains = some["v3_of_one"] - some["v3_of_mixture"]
    by_track = some.groupby("track")["sdr"].mean()
    return pd.Series(
        {
            "seeds": some["seed"].nunique(),
            "draws": some["draws"].max(),
            **some[list(SCORES)].mean(),
            "gnsdr": np.average(gains, weights=some["seconds"]),
            "p10": by_track.quantile(0.1),
            "ratio": Spread(some["variance"].sum(), some["error"].sum(), some["draws"].max()).ratio,
        }
    )


def pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """SDR of each system in each number of calls, minus its own in one call, and minus the twin's.

    Differences of the same track and seed, averaged over seeds; low and high: the 95 % interval of
    the mean over tracks, and over groups of them (singers of MIR-1K), which are fewer.
    """
    of_one = rows[rows["calls"] == 1].set_index(["system", "track", "seed"])
    twin = of_one.loc[TWIN] if TWIN in of_one.index.get_level_values(0) else None
    found = []
    for (system, calls), some in rows.groupby(KEYS, sort=False):
        mine = some.set_index(["track", "seed"])
        others: dict[str, pd.DataFrame | None] = {"own one call": of_one.loc[system] if calls > 1 else None}
        others[TWIN] = twin if system != TWIN else None
        for name, other in others.items():
            if other is not None:
                for score in ("sdr", "sdr_of_mean"):
                    what = {"system": system, "calls": calls, "score": score, "against": name}
                    found.append(what | _difference(mine[score], other["sdr"]))
    return pd.DataFrame(found)


def _difference(mine: pd.Series, other: pd.Series) -> dict[str, object]:
    by_track = (mine - other).dropna().groupby("track").mean()
    by_group = by_track.groupby(by_track.index.str.split("_").str[0]).mean()
    means: dict[str, object] = {"difference": float(by_track.mean()), "tracks": len(by_track), "groups": len(by_group)}
    for name, values in (("", by_track), ("_of_groups", by_group)):
        low, high = of_mean(values.to_numpy())
        means |= {f"low{name}": low, f"high{name}": high}
    return means


def figure(table: pd.DataFrame, path: Path, title: str) -> None:
    """SDR by STFT distance of one draw; dots are numbers of calls, crosses no diffusion."""
    from matplotlib import rc_context  # here: only this needs it
    from matplotlib.figure import Figure

    picture = Figure(figsize=(8, 5), layout="constrained")
    axis = picture.subplots()
    for system, some in table.groupby("system", sort=False):
        marker = "x" if str(system).startswith((TWIN, "recycling")) else "o"
        line = axis.plot(some["stft"], some["sdr"], marker=marker, linewidth=0.8, label=system)[0]
        for row in some.itertuples():
            place, shift = (row.stft, row.sdr), (4, 3)
            axis.annotate(str(row.calls), place, shift, textcoords="offset points", fontsize=7, color=line.get_color())
    axis.set(xlabel="multi-resolution STFT distance of one draw (less is better)", ylabel="SDR of one draw (dB)", title=title)
    axis.legend(fontsize=7)
    with atomically(path) as partial, rc_context({"svg.hashsalt": path.stem}):
        picture.savefig(partial, format="svg", metadata={"Date": None})


def _write(path: Path, table: pd.DataFrame) -> None:
    with atomically(path) as partial:
        table.to_csv(partial, index=False, float_format="%.5g", lineterminator="\n")
