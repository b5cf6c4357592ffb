"""Shards: Parquet files of waveforms. A row group is a segment, a column a channel of a stem.

Samples are int16, as in the files of the stems, and delta-encoded: an eighth of the bytes of their
spectra, and read 2.5 times as fast as FLAC (docs/experiments.md). Row groups of one segment give
random access; their statistics say how loud it is. The file's metadata names the track and the
settings. `manifest.json`, written last, lists the files. Mixtures are not stored.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int16

from unsung import audio, parallel
from unsung.config.schema import Compute, Params
from unsung.data.tracks import Track, written_by
from unsung.errors import UserError
from unsung.files import atomically, sha256

MANIFEST = "manifest.json"
Entry = dict[str, object]  # of the manifest: file, rows, sha256
STEPS = 2**15  # of 16 bits, up to full scale
SOUNDS = 1e-3  # of full scale: -60 dB; a stem whose samples stay below is silent


@dataclass(frozen=True)
class Settings:
    """What a shard holds."""

    sample_rate: int  # Hz
    channels: int
    samples: int  # of a segment

    @classmethod
    def of(cls, params: Params) -> "Settings":
        """The settings that the params describe."""
        samples = round(params.shards.segment_seconds * params.audio.sample_rate)
        return cls(**params.audio.model_dump(), samples=samples)


def write_shards(folder: Path, tracks: Sequence[Track], settings: Settings, megabytes: float, compute: Compute) -> None:
    """Write all tracks as shards of at most `megabytes` before encoding, and their manifest.

    A stem that a train track lacks has no columns in its shards.

    Raises:
        UserError: a valid track lacks a stem that another track has.
    """
    stems = list(dict.fromkeys(stem for track in tracks for stem in track.stems if stem != "mixture"))
    for track in tracks:
        if track.split != "train" and (missing := set(stems) - set(track.stems)):
            what = "only tracks to train on may lack one; add it, or give all tracks the same stems"
            raise UserError(f'"{track.name}" has no {min(missing)}, which other tracks have; {what}')
    segments = max(1, int(megabytes * 1e6 / (2 * settings.channels * settings.samples * len(stems))))
    work = partial(_write_track, folder=folder, stems=stems, settings=settings, at_most=segments)
    entries = parallel.over(work, list(enumerate(tracks)), compute, desc="shard")
    with atomically(folder / MANIFEST) as path:  # last: without it there are no shards
        path.write_text(json.dumps([entry for some in entries for entry in some], indent=1) + "\n")


def _write_track(job: tuple[int, Track], folder: Path, stems: Sequence[str], settings: Settings, at_most: int) -> list[Entry]:
    """Write the shards of one track: their entries in the manifest."""
    number, track = job
    entries: list[Entry] = []
    own = {stem: path for stem, path in track.stems.items() if stem in stems}
    readers = [audio.rebatched(audio.blocks(path, settings.channels), settings.samples) for path in own.values()]
    waiting = (np.concatenate(together, axis=1) for together in zip(*readers, strict=True))
    frames = audio.facts(next(iter(own.values()))).frames
    with written_by("resample"):
        for shard, first in enumerate(range(0, frames, at_most * settings.samples)):
            path = folder / f"{number:05}-{shard:03}.parquet"
            metadata = {"track": track.name, "split": track.split, "start": first, "stems": stems, **asdict(settings)}
            count = write_shard(path, islice(waiting, at_most), list(own), settings, metadata)
            entries.append({"file": path.name, "rows": count, "sha256": sha256(path)})
    return entries


def write_shard(
    path: Path, segments: Iterable[audio.Samples], stems: Sequence[str], settings: Settings, metadata: Mapping[str, object]
) -> int:
    """Write segments, (frame, channel of all stems), the last filled up with silence; how many."""
    names = [name for stem in stems for name in _columns(stem, settings)]
    fields = [pa.field(name, pa.int16(), nullable=False) for name in names]
    schema = pa.schema(fields, metadata={"unsung": json.dumps(metadata)})
    how = {"compression": "none", "use_dictionary": False, "column_encoding": dict.fromkeys(names, "DELTA_BINARY_PACKED")}
    with atomically(path) as partial_file, pq.ParquetWriter(partial_file, schema, **how) as writer:

        def write(segment: audio.Samples) -> None:
            whole = np.zeros((settings.samples, len(names)), np.float32)
            whole[: len(segment)] = segment * STEPS
            integers = np.clip(np.rint(whole), -STEPS, STEPS - 1).astype(np.int16)
            writer.write_table(pa.table(list(np.ascontiguousarray(integers.T)), schema=schema), row_group_size=len(whole))

        return sum(1 for _ in map(write, segments))  # map holds no segment longer than it must


def _columns(stem: str, settings: Settings) -> list[str]:
    return [f"{stem}.{channel}" for channel in range(settings.channels)]


@dataclass(frozen=True)
class Row:
    """Where a segment is, and what sounds in it."""

    file: Path
    group: int
    start: int  # samples
    track: str
    peaks: Mapping[str, float]  # of its stems; full scale is 1

    def sounds(self, stem: str) -> bool:
        """Whether it has this stem, and not silent."""
        return self.peaks.get(stem, 0.0) > SOUNDS


class Shards:
    """Random access to the segments of one split.

    Raises:
        UserError: there are no whole shards, they were made with other settings, or none of them is
            of this split.
    """

    def __init__(self, folder: Path, split: str, settings: Settings) -> None:
        self.settings, self.stems, self.rows = settings, tuple[str, ...](), list[Row]()
        for name, count in _listed(folder):
            path = folder / name
            metadata, made_with = _metadata(path, settings)
            self.stems = tuple(made_with["stems"])
            if metadata.num_row_groups != count:
                raise UserError(f"{path} has {metadata.num_row_groups} segments, not {count}; run dvc repro shard")
            if made_with["split"] == split:
                start, track = made_with["start"], made_with["track"]
                rows = ((i, start + i * settings.samples, _peaks(metadata.row_group(i))) for i in range(count))
                self.rows += [Row(path, group, first, track, peaks) for group, first, peaks in rows]
        if not self.rows:
            raise UserError(f"{folder} has no segment of a {split} track; check the split of the data (docs/data.md)")

    @property
    def whole(self) -> list[Row]:
        """The rows that have all stems."""
        return [row for row in self.rows if len(row.peaks) == len(self.stems)]

    def stem(self, row: Row, stem: str, first: int, samples: int) -> Float[np.ndarray, "channel {samples}"]:
        """`samples` samples of a stem in a row, from `first` on; full scale is 1."""
        columns = _open(row.file).read_row_group(row.group, columns=_columns(stem, self.settings))
        found: list[Int16[np.ndarray, " sample"]] = [column.to_numpy()[first : first + samples] for column in columns.columns]
        return np.multiply(found, np.float32(1 / STEPS), dtype=np.float32)


def _peaks(group: pq.RowGroupMetaData) -> dict[str, float]:
    """Of the stems of a segment, from the statistics of its columns."""
    peaks: dict[str, float] = {}
    for column in map(group.column, range(group.num_columns)):
        stem, bounds = column.path_in_schema.rpartition(".")[0], column.statistics
        peaks[stem] = max(peaks.get(stem, 0.0), -bounds.min / STEPS, bounds.max / STEPS)
    return peaks


def _listed(folder: Path) -> list[tuple[str, int]]:
    """The files that the manifest names, and how many segments each has."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} has no whole shards; run dvc repro shard")
    try:
        return [(str(entry["file"]), int(entry["rows"])) for entry in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not the list of shards that was written; run dvc repro shard") from None


def _metadata(path: Path, settings: Settings) -> tuple[pq.FileMetaData, dict[str, Any]]:
    """Parquet's of a shard, and ours, if it was made with these settings."""
    try:
        metadata = pq.read_metadata(path)
        made_with = json.loads((metadata.metadata or {})[b"unsung"])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise UserError(f"{path} is not a shard of unsung, or not whole; run dvc repro shard") from None
    for key, value in asdict(settings).items():
        if made_with.get(key) != value:
            raise UserError(f"{path} was made with {key} {made_with.get(key)}, the params say {value}; run dvc repro shard")
    return metadata, made_with


@lru_cache(maxsize=512)
def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path)  # not mapped: as fast, and shards larger than memory are read in whole columns
