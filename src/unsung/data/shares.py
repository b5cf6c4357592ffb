"""How often training draws from which rows: evenly, or by the shares of folders of tracks.

Tracks of a mix are called <provider>/<name>, those of pools <pool>/<name>, so such a name has
folders. Among those beside each other, draws go by their shares (`data.shares`), 1 where none is
given; where none of them has a share, draws go by the number of their rows, that is by their hours.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate

import numpy as np

from unsung.data.shards import Row
from unsung.errors import UserError

Shares = Mapping[str, float]  # by a folder's path, or by a track's name


class Urn:
    """Rows to draw from."""

    def __init__(self, rows: Sequence[Row], shares: Shares | None = None) -> None:
        """Without `shares` all rows are alike; with them, even empty ones, see above."""
        self.rows, self.ends = rows, None
        if shares is not None:
            counts = Counter(row.track for row in rows)
            chances = chances_of(counts, shares)
            ends = np.cumsum([chances[row.track] / counts[row.track] for row in rows])
            self.ends = ends / ends[-1] if len(ends) and ends[-1] else np.zeros(0)

    @property
    def empty(self) -> bool:
        """Whether nothing can be drawn."""
        return not len(self.rows if self.ends is None else self.ends)

    def draw(self, rng: np.random.Generator) -> Row:
        """One row; each call takes one number of `rng`."""
        if self.ends is None:
            return self.rows[int(rng.integers(len(self.rows)))]
        return self.rows[int(np.searchsorted(self.ends, rng.random(), side="right"))]


def chances_of(counts: Mapping[str, int], shares: Shares, above: str = "") -> dict[str, float]:
    """How likely a draw is of each track; `counts` are the rows of tracks in the folder `above`."""
    beside: dict[str, dict[str, int]] = {}
    for name, count in counts.items():
        beside.setdefault(above + name.removeprefix(above).partition("/")[0], {})[name] = count
    given = any(key.rpartition("/")[0] == above.rstrip("/") for key in shares)
    weights = {one: shares.get(one, 1.0) if given else float(sum(tracks.values())) for one, tracks in beside.items()}
    total = sum(weights.values()) or 1.0
    chances: dict[str, float] = {}
    for one, tracks in beside.items():
        below = {one: 1.0} if one in tracks else chances_of(tracks, shares, f"{one}/")
        chances |= {name: weights[one] / total * chance for name, chance in below.items()}
    return chances


def check_shares(shares: Shares, tracks: Collection[str]) -> None:
    """Raise a UserError if a share is of no folder of these tracks, and of none of them."""
    known = {path for track in tracks for path in accumulate(track.split("/"), "{}/{}".format)}
    if odd := sorted(set(shares) - known):
        folders = sorted({track.rpartition("/")[0] for track in tracks} - {""})
        there = ", ".join(folders[:10]) + ", ..." * (len(folders) > 10) if folders else "tracks without folders only"
        raise UserError(f"data.shares has {odd[0]}, and no train track lies there; remove it or mend its name ({there})")
