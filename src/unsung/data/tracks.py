"""Tracks, and the index of a dataset: one Parquet row for each source of each stem of each track.

A Recording is a song as its dataset gives it: a stem may be several files, a stream or a channel of
a file, or silence. A Track is what stems.py makes of it: one clean file a stem. Paths in the index
are relative to the dataset's root, so it is the same on every machine. It holds the hash of each
file, so DVC knows when a recording outside the project changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from unsung import audio, parallel
from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import atomically, sha256

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
INDEX = "tracks.parquet"


@dataclass(frozen=True)
class Source:
    """A file, one of its audio streams, or one of its channels; `known` facts spare decoding it."""

    path: Path
    stream: int = 0
    channel: int | None = None
    known: audio.Facts | None = None

    def facts(self) -> audio.Facts:
        """Sample rate, channels and length."""
        own = self.known or audio.facts(self.path, self.stream)
        return own if self.channel is None else audio.Facts(own.sample_rate, 1, own.frames)

    def blocks(self, channels: int) -> Iterator[audio.Samples]:
        """The samples with the channel count wanted.

        Raises:
            UserError: as `audio.blocks`, or it is longer or shorter than is known.
        """
        frames = 0
        for block in audio.blocks(self.path, stream=self.stream):
            frames += len(block)
            own = block if self.channel is None else block[:, self.channel : self.channel + 1]
            yield audio.to_channels(own, channels, self.path)
        if self.known and abs(frames - self.known.frames) > audio.ALLOWED * self.known.sample_rate:
            seconds = [round(count / self.known.sample_rate, 2) for count in (frames, self.known.frames)]
            raise UserError(
                f"{self.path} has {seconds[0]} s, it had {seconds[1]} s when it was listed; run the stage download again"
            )


@dataclass(frozen=True)
class Recording:
    """A song as its dataset gives it; each stem is a sum of sources, silence if there are none."""

    name: str
    split: Split
    stems: dict[str, tuple[Source, ...]]  # with `mixture` where the dataset has one
    ragged: bool = False  # whether stems may end before others do in this dataset

    @classmethod
    def of_files(cls, name: str, split: Split, files: dict[str, Path]) -> "Recording":
        """The usual case: a file for each stem."""
        return cls(name, split, {stem: (Source(path),) for stem, path in files.items()})

    @property
    def sources(self) -> Mapping[str, tuple[Source, ...]]:
        """What each stem is the sum of, as a Track has it too."""
        return self.stems


@dataclass(frozen=True)
class Track:
    """A song with one clean file for each stem, and one for its mixture where that is kept."""

    name: str
    split: Split
    stems: dict[str, Path]
    ragged: ClassVar[bool] = False

    @property
    def sources(self) -> Mapping[str, tuple[Source, ...]]:
        """Each stem is one file."""
        return {stem: (Source(path),) for stem, path in self.stems.items()}


def write_index(folder: Path, entries: Iterable[Recording | Track], root: Path, compute: Compute) -> None:
    """Read the facts of every source below `root` and write them to `folder`/tracks.parquet.

    Raises:
        UserError: there is no entry, two have the same name, or a file cannot be read.
    """
    entries = list(entries)
    if not entries:
        raise UserError(f"{root} holds no tracks; a track is a folder of stems, see docs/data.md")
    names = [entry.name for entry in entries]
    paths = [str(source.path) for entry in entries for sources in entry.sources.values() for source in sources]
    if odd := [name for name in (*names, *paths) if not name.isprintable()]:
        raise UserError(f"the name {odd[0]!r} has letters that are not Unicode's or cannot be shown; rename it")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f'two tracks below {root} are called "{twice[0]}"; rename one of them')
    rows = parallel.over(partial(_rows, root=root), entries, compute, "index")
    table = pd.DataFrame([row for some in rows for row in some])
    table["channel"] = table["channel"].astype("Int64")
    with atomically(folder / INDEX) as path:
        table.to_parquet(path, index=False)


def _rows(entry: Recording | Track, root: Path) -> list[dict[str, object]]:
    """A row for each source, one without a path for silence. A file is hashed once."""
    hashes: dict[Path, str] = {}
    rows: list[dict[str, object]] = []
    for stem, sources in entry.sources.items():
        where = {"track": entry.name, "split": entry.split, "ragged": entry.ragged, "stem": stem}
        if not sources:
            rows.append({**where, "path": "", "stream": 0, "channel": None, **asdict(audio.Facts(0, 0, 0)), "sha256": ""})
        for source in sources:
            path, facts = source.path, asdict(audio.facts(source.path, source.stream))
            hashes[path] = hashes.get(path) or sha256(path)
            place = {"path": path.relative_to(root).as_posix(), "stream": source.stream, "channel": source.channel}
            rows.append({**where, **place, **facts, "sha256": hashes[path]})
    return rows


def read_recordings(folder: Path, root: Path) -> list[Recording]:
    """The recordings of `folder`/tracks.parquet in their order, with paths below `root`."""
    recordings = []
    for name, rows in read_table(folder).groupby("track", sort=False):
        stems = {
            str(stem): tuple(_source(row, root) for row in some.to_dict("records") if row["path"])
            for stem, some in rows.groupby("stem", sort=False)
        }
        recordings.append(Recording(str(name), rows["split"].iloc[0], stems, bool(rows["ragged"].iloc[0])))
    return recordings


def _source(row: dict[str, Any], root: Path) -> Source:
    channel = None if pd.isna(row["channel"]) else int(row["channel"])
    known = audio.Facts(*(int(row[key]) for key in ("sample_rate", "channels", "frames")))
    return Source(root / row["path"], int(row["stream"]), channel, known)


def write_splits(folder: Path, tracks: Sequence[Track], compute: Compute) -> None:
    """Write the index of each split to its own folder: what needs one depends on no other.

    Raises:
        UserError: a split has no track.
    """
    for split in SPLITS:
        some = [track for track in tracks if track.split == split]
        if not some:
            raise UserError(f"there is no {split} track; add one, or change how the splits are made (docs/data.md)")
        write_index(folder / split, some, folder / split, compute)


def read_index(folder: Path) -> list[Track]:
    """The tracks of `folder`/tracks.parquet in their order."""
    return [
        Track(
            str(name), rows["split"].iloc[0], {stem: folder / path for stem, path in zip(rows["stem"], rows["path"], strict=True)}
        )
        for name, rows in read_table(folder).groupby("track", sort=False)
    ]


def read_table(folder: Path) -> pd.DataFrame:
    """The index: track, split, ragged, stem, path, stream, channel, audio.Facts and sha256."""
    try:
        return pd.read_parquet(folder / INDEX)
    except FileNotFoundError:
        raise UserError(f"{folder / INDEX} is not here; run the stage that writes it (dvc repro)") from None


def mixture(track: Track) -> Iterator[audio.Samples]:
    """The song in blocks: its mixture where the dataset gives one, else the sum of its stems."""
    if "mixture" in track.stems:
        yield from audio.blocks(track.stems["mixture"])
        return
    streams = [audio.rebatched(audio.blocks(path)) for path in track.stems.values()]
    for together in zip(*streams, strict=True):
        yield np.stack(together).sum(axis=0, dtype=np.float64).astype(np.float32)
