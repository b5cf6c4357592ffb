"""Tables of scores: a row for each song and system, and a row for each system."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from tqdm import tqdm

from unsung.errors import UserError
from unsung.restyle.pairs import Song, System
from unsung.restyle.scores import MEASURES, SHARES, Case, Heard, Judge, share

OURS = "unsung"  # what our results are called among the systems
DRAWS = 999
ENDS = (2.5, 97.5)  # percent
MIN_SONGS = 5  # with fewer, a bootstrap interval says little


def score_songs(songs: Sequence[Song], systems: Mapping[str, System], judge: Judge) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All scores by song and system, and by system: see `by_system`.

    Raises UserError without songs, or if an estimate has another length or holds no numbers.
    """
    if not songs:
        raise UserError("there are no songs to score; restyle some of the test split first")
    cases, rows = [], []
    heard: dict[str, list[Heard]] = {name: [] for name in systems}
    for song in tqdm(songs, desc="evaluate", unit="song"):
        cases.append(judge.case(song))
        for name, system in systems.items():
            heard[name].append(judge.hear(system(song), f"{song.name}, {name}"))
            rows.append({"song": song.name, "system": name} | judge.score(cases[-1], heard[name][-1]))
    table = pd.DataFrame(rows)
    return table, by_system(table, cases, heard, judge)


def by_system(table: pd.DataFrame, cases: Sequence[Case], heard: Mapping[str, Sequence[Heard]], judge: Judge) -> pd.DataFrame:
    """Means over songs, but one distance of textures of all songs together, and `both` of these.

    `both` is the least of the mean shares, which is not the mean of the songs' own `both`.
    `both_low` and `both_high` are a 95 % interval: the percentile bootstrap (Efron and Tibshirani
    1993) over songs with a fixed seed; NaN with fewer than MIN_SONGS.
    """
    chosen = _draws(len(cases))
    anchors = [case.input.textures for case in cases], [case.equalised for case in cases]
    song, equalised = (judge.style.table(textures).distance(chosen) for textures in anchors)
    truths = [case.truth.textures for case in cases if case.truth]
    examples = [each.textures for each in judge.examples]
    truth = judge.style.table(truths).distance(chosen) if truths else np.full(len(chosen), judge.style.distance(examples))
    rows = []
    for name, recordings in heard.items():
        own = table[table["system"] == name]
        mmd = judge.style.table([each.textures for each in recordings]).distance(chosen)
        shares = chosen @ own[list(SHARES)].to_numpy(float)
        ways = zip(mmd, np.minimum(song, equalised), truth, strict=True)
        shares[:, SHARES.index("mmd_share")] = [share("mmd", *way) for way in ways]
        means = own[list(MEASURES)].mean().to_dict() | {"mmd": float(mmd[0])}
        rows.append(
            {"system": name} | means | dict(zip(SHARES, shares[0], strict=True)) | _interval(shares.min(axis=1), len(cases))
        )
    return pd.DataFrame(rows)


def _draws(songs: int) -> Float[np.ndarray, "draw song"]:
    """Weights of songs: first each once, then DRAWS samples with replacement."""
    counts = np.random.default_rng(0).multinomial(songs, np.full(songs, 1 / songs), size=DRAWS)
    return np.vstack([np.ones(songs), counts]) / songs


def _interval(both: Float[np.ndarray, " draw"], songs: int) -> dict[str, float]:
    low, high = np.percentile(both[1:], ENDS) if songs >= MIN_SONGS else (np.nan, np.nan)
    return {"both": float(both[0]), "both_low": float(low), "both_high": float(high)}
