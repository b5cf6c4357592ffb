"""Tracks, and the index of a dataset: one Parquet row for each stem of each track, with the hash of its file.

The index holds paths relative to the dataset's root, so it is the same on every machine that has the same recordings; its
hashes are why DVC knows when a recording changed that lies outside the project.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from unsung import audio, parallel
from unsung.errors import UserError
from unsung.files import atomically, sha256

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
INDEX = "tracks.parquet"


@dataclass(frozen=True)
class Track:
    """One song: the file of each of its stems, and of its `mixture` where the dataset has one."""

    name: str
    split: Split
    stems: dict[str, Path]


def write_index(folder: Path, tracks: Iterable[Track], root: Path, workers: int, desc: str) -> None:
    """Read the facts of every stem below `root` and write them to `folder`/tracks.parquet.

    Raises:
        UserError: there is no track, two have the same name, or a file cannot be read.
    """
    tracks = list(tracks)
    if not tracks:
        raise UserError(f"{root} holds no tracks; a track is a folder of stems, see docs/data.md")
    names = [track.name for track in tracks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f'two tracks below {root} are called "{twice[0]}"; rename one of them')
    rows = parallel.over(partial(_rows, root=root), tracks, workers, desc)
    table = pd.DataFrame([row for found in rows for row in found])
    with atomically(folder / INDEX) as path:
        table.to_parquet(path, index=False)


def read_index(folder: Path, root: Path | None = None) -> list[Track]:
    """The tracks of `folder`/tracks.parquet in their order, with paths below `root` (by default `folder`)."""
    table = read_table(folder)
    return [
        Track(str(name), rows["split"].iloc[0], {r.stem: (root or folder) / r.path for r in rows.itertuples()})
        for name, rows in table.groupby("track", sort=False)
    ]


def read_table(folder: Path) -> pd.DataFrame:
    """The index itself: track, split, stem, path, frames, sample_rate, channels, sha256."""
    try:
        return pd.read_parquet(folder / INDEX)
    except FileNotFoundError:
        raise UserError(f"{folder / INDEX} is not here; run the stage that writes it (dvc repro)") from None


def write_splits(folder: Path, tracks: Iterable[Track], workers: int) -> None:
    """Write the index of each split to its own folder, so that what needs one split depends on no other.

    Raises:
        UserError: a split has no track.
    """
    tracks = list(tracks)
    for split in SPLITS:
        found = [track for track in tracks if track.split == split]
        if not found:
            raise UserError(f"there is no {split} track; add one, or change how the splits are made (docs/data.md)")
        write_index(folder / split, found, folder / split, workers, desc=f"index {split}")


def _rows(track: Track, root: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for stem, path in track.stems.items():
        own = audio.facts(path)
        where = {"track": track.name, "split": track.split, "stem": stem, "path": path.relative_to(root).as_posix()}
        rows.append({**where, **vars(own), "sha256": sha256(path)})
    return rows


def mixture(track: Track) -> Iterator[audio.Samples]:
    """The song: its mixture where the dataset gives one, else the sum of its stems, in blocks."""
    if "mixture" in track.stems:
        yield from audio.blocks(track.stems["mixture"])
        return
    streams = [audio.rebatched(audio.blocks(path)) for path in track.stems.values()]
    for together in zip(*streams, strict=True):
        yield np.stack(together).sum(axis=0, dtype=np.float64).astype(np.float32)
