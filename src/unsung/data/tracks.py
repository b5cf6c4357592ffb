"""Tracks, and the index of a dataset: one Parquet row for each source of each stem of each track.

A Recording is a song as its dataset gives it: a stem may be several files, a stream or a channel of
a file, or silence. A Track is what stems.py makes of it: one clean file a stem. Paths in the index
are relative to the dataset's root, so it is the same on every machine. It holds the hash of each
file, so DVC knows when a recording outside the project changed.
"""

import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from unsung import audio, parallel
from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import MAX_NAME_BYTES, atomically, sha256

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
INDEX = "tracks.parquet"
COLUMNS = ("track", "split", "ragged", "stem", "path", "stream", "channel", "sample_rate", "channels", "frames", "sha256")
MAX_MISSING = 1.0  # seconds by which the stems of a track may differ in length
SHOWN, SHOWN_LETTERS = 20, 60  # faults that are named when they stop a run, and letters of a name
Fault = tuple[str, str]  # a track, and why it cannot be used
Roots = Path | Mapping[str, Path]  # what paths begin at: a folder, or one for each first part of a path


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
    fault: str = ""  # why it cannot be used, where the dataset is not as it should be

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
    fault: ClassVar[str] = ""

    @property
    def sources(self) -> Mapping[str, tuple[Source, ...]]:
        """Each stem is one file."""
        return {stem: (Source(path),) for stem, path in self.stems.items()}


def write_index(
    folder: Path, entries: Iterable[Recording | Track], root: Path, compute: Compute, allow_missing: bool = False
) -> None:
    """Read the facts of every source below `root` and write them to `folder`/tracks.parquet.

    With `allow_missing` entries that cannot be used are left out, and named on stderr.

    Raises:
        UserError: there is no entry, two have the same name, or some cannot be used.
    """
    entries = list(entries)
    if not entries:
        raise UserError(f"{root} holds no tracks; a track is a folder of stems, see docs/data.md")
    names = [entry.name for entry in entries if not entry.fault]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f'two tracks below {root} are called "{twice[0]}"; rename one of them')
    found = parallel.over(partial(_rows, root=root), entries, compute, "index")
    faults = [(entry.name, fault) for entry, (_, fault) in zip(entries, found, strict=True) if fault]
    if not allow_missing or len(faults) == len(entries):
        refuse(faults, len(entries), "mend them, or set data.allow_missing to true")
    elif faults:
        print(f"unsung: {counted(faults, len(entries))}; they are left out", file=sys.stderr)
    write_table(folder, pd.DataFrame([row for some, fault in found for row in some if not fault]))


def write_table(folder: Path, table: pd.DataFrame) -> None:
    """Write an index as `read_table` has it."""
    table["channel"] = table["channel"].astype("Int64")
    with atomically(folder / INDEX) as path:
        table.to_parquet(path, index=False)


def counted(faults: Sequence[Fault], count: int) -> str:
    """How many of the tracks cannot be used, which, and why."""
    named = ", ".join(f"{_shown(name)} ({fault})" for name, fault in faults)
    return f"{len(faults)} of {count} tracks cannot be used: {named}"


def refuse(faults: Sequence[Fault], count: int, what_to_do: str) -> None:
    """Raise a UserError that counts and names tracks that cannot be used, if there are any."""
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        said = counted(faults[:SHOWN], count).split(" ", 1)[1]
        raise UserError(f"{len(faults)} {said}{more}; {what_to_do}")


def in_short(error: UserError | OSError, path: Path | None = None) -> str:
    """What is wrong with a track, without what to do; a file by its name alone."""
    said = error.strerror if isinstance(error, OSError) else str(error).rpartition("; ")[0] or str(error)
    if not path:
        return str(said)
    return f"{path.name}: {said}" if isinstance(error, OSError) else str(said).replace(str(path), path.name)


def misfit(ragged: bool, sources: Sequence[tuple[Source, audio.Facts]]) -> str:
    """Why the sources of a track, with these facts, do not go together; nothing if they do."""
    rates = [facts.sample_rate for _, facts in sources]
    rate, length = max(rates, key=rates.count, default=0), max((facts.frames for _, facts in sources), default=0)
    if not sources:
        return "it has no files"
    for source, facts in sources:
        file, missing = source.path.name, (length - facts.frames) / rate
        if facts.sample_rate != rate:
            return f"{file} has {facts.sample_rate} Hz, the others have {rate} Hz"
        if not length or not (facts.frames or ragged):
            return f"{file} is empty"
        if missing > MAX_MISSING and not ragged:
            return f"{file} ends {missing:.2f} s before the others"
    return ""


def _shown(name: str) -> str:
    """A name on one line."""
    short = name if len(name) <= SHOWN_LETTERS else f"{name[:SHOWN_LETTERS]}..."
    return repr(short) if _is_odd(short) else short


def _is_odd(name: str) -> bool:
    """Whether a name has control characters, ends of lines, or bytes that are not UTF-8."""
    return any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)


def _rows(entry: Recording | Track, root: Path) -> tuple[list[dict[str, object]], str]:
    """A row for each source, one without a path for silence; or why the entry cannot be used.

    A file is hashed once.
    """
    hashes: dict[Path, str] = {}
    rows: list[dict[str, object]] = []
    own: list[tuple[Source, audio.Facts]] = []
    if fault := entry.fault or fault_of_names(entry):
        return rows, fault
    for stem, sources in entry.sources.items():
        where = {"track": entry.name, "split": entry.split, "ragged": entry.ragged, "stem": stem}
        if not sources:
            rows.append({**where, "path": "", "stream": 0, "channel": None, **asdict(audio.Facts(0, 0, 0)), "sha256": ""})
        for source in sources:
            path = source.path
            try:
                if not path.is_file():
                    return [], f"{path.name} is {'not a file' if path.exists() else 'missing'}"
                facts = audio.facts(path, source.stream)
                hashes[path] = hashes.get(path) or sha256(path)
            except (UserError, OSError) as error:
                return [], in_short(error, path)
            if not facts.sample_rate:
                return [], f"{path.name} is not audio that can be read"
            if source.channel is not None and source.channel >= facts.channels:
                return [], f"{path.name} has {facts.channels} channel, not {source.channel + 1}"
            own.append((source, facts))
            place = {"path": path.relative_to(root).as_posix(), "stream": source.stream, "channel": source.channel}
            rows.append({**where, **place, **asdict(facts), "sha256": hashes[path]})
    return rows, misfit(entry.ragged, own)


def fault_of_names(entry: Recording | Track) -> str:
    """What no file system, or no index, could keep of the names of a track and its files."""
    if _is_odd(entry.name):
        return "its name has letters that are not Unicode's or cannot be shown; rename it"
    if len(os.fsencode(entry.name)) > MAX_NAME_BYTES:
        return f"its name has more than {MAX_NAME_BYTES} bytes"
    paths = (source.path for sources in entry.sources.values() for source in sources)
    return next((f"{str(path)!r} cannot be shown" for path in paths if _is_odd(str(path))), "")


def read_recordings(folder: Path, root: Roots) -> list[Recording]:
    """The recordings of `folder`/tracks.parquet in their order, with paths below `root`."""
    recordings = []
    for name, rows in read_table(folder).groupby("track", sort=False):
        stems = {
            str(stem): tuple(_source(row, root) for row in some.to_dict("records") if row["path"])
            for stem, some in rows.groupby("stem", sort=False)
        }
        recordings.append(Recording(str(name), rows["split"].iloc[0], stems, bool(rows["ragged"].iloc[0])))
    return recordings


def _source(row: dict[str, Any], root: Roots) -> Source:
    channel = None if pd.isna(row["channel"]) else int(row["channel"])
    known = audio.Facts(*(int(row[key]) for key in ("sample_rate", "channels", "frames")))
    first, _, rest = row["path"].partition("/")
    path = root / row["path"] if isinstance(root, Path) else root[first] / rest
    return Source(path, int(row["stream"]), channel, known)


def check_splits(entries: Sequence[Recording | Track]) -> None:
    """Raise a UserError if a split has no track."""
    if missing := [split for split in SPLITS if split not in {entry.split for entry in entries}]:
        raise UserError(f"there is no {missing[0]} track; add one, or change how the splits are made (docs/data.md)")


def write_splits(folder: Path, tracks: Sequence[Track], compute: Compute) -> None:
    """Write the index of each split to its own folder: what needs one depends on no other.

    Raises:
        UserError: a split has no track.
    """
    check_splits(tracks)
    for split in SPLITS:
        some = [track for track in tracks if track.split == split]
        write_index(folder / split, some, folder / split, compute)


def read_index(folder: Path) -> list[Track]:
    """The tracks of `folder`/tracks.parquet in their order.

    Raises:
        UserError: the index or a stem is not there, or not as it was written.
    """
    tracks = []
    for name, rows in read_table(folder).groupby("track", sort=False):
        stems = {stem: folder / path for stem, path in zip(rows["stem"], rows["path"], strict=True)}
        with written_by("resample"):
            for path, frames in zip(stems.values(), rows["frames"], strict=True):
                if (found := audio.facts(path).frames) != frames:
                    raise UserError(f"{path} has {found} frames, not {frames}; get it anew")
        tracks.append(Track(str(name), rows["split"].iloc[0], stems))
    return tracks


@contextmanager
def written_by(stage: str) -> Iterator[None]:
    """If a file cannot be read, say which stage to run again, because that wrote it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{str(error).rpartition('; ')[0] or error}; run dvc repro {stage}, which writes it") from None


def read_table(folder: Path) -> pd.DataFrame:
    """The index: track, split, ragged, stem, path, stream, channel, audio.Facts and sha256.

    Raises:
        UserError: it is not there, or not as it was written.
    """
    path, stage = folder / INDEX, "download" if folder.name == "raw" else "resample"
    stage = f"part@{folder.name}" if folder.parent.name == "parts" else stage
    if not path.is_file():
        raise UserError(f"{path} is not here; run dvc repro {stage}, which writes it")
    from pyarrow import ArrowException  # here: only the pipeline has Parquet files

    try:
        table = pd.read_parquet(path)
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read ({error}); run dvc repro {stage}, which writes it") from None
    if list(table.columns) != list(COLUMNS) or not len(table):
        raise UserError(f"{path} is not an index of tracks; run dvc repro {stage}, which writes it")
    return table


def mixture(track: Track) -> Iterator[audio.Samples]:
    """The song in blocks: its mixture where the dataset gives one, else the sum of its stems."""
    if "mixture" in track.stems:
        yield from audio.blocks(track.stems["mixture"])
        return
    streams = [audio.rebatched(audio.blocks(path)) for path in track.stems.values()]
    for together in zip(*streams, strict=True):
        yield np.stack(together).sum(axis=0, dtype=np.float64).astype(np.float32)
