"""Shards: Parquet files of complex spectra, one row a segment, one column a stem, one row group a row.

A stem of a row is `float16 (channel, freq, frame, 2)`, real and imaginary, as bytes of one fixed length, with a scale beside it
that uses float16's whole range, so a quiet stem keeps its bits. Bytes are read ten times faster than Arrow's lists of halves
(docs/experiments.md) and a row group of one row is what random access needs. Each file's metadata says with which settings it
was made, and `manifest.json`, written last, says which files belong together. Mixtures are not stored: spectra add.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Complex

from unsung import audio, parallel
from unsung.config.schema import Compute, Params
from unsung.data.tracks import Track
from unsung.errors import UserError
from unsung.files import atomically, sha256
from unsung.spectrum import Stft

MANIFEST = "manifest.json"
PEAK = 2.0**15  # the largest part of a stored spectrum


class Entry(TypedDict):
    """A shard in the manifest."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Settings:
    """How the spectra of a shard were made."""

    sample_rate: int  # Hz
    channels: int
    n_fft: int  # samples
    hop_length: int  # samples
    frames: int  # frames of a row

    @classmethod
    def of(cls, params: Params) -> "Settings":
        """The settings that the params describe."""
        frames = round(params.shards.segment_seconds * params.audio.sample_rate / params.stft.hop_length)
        return cls(**params.audio.model_dump(), **params.stft.model_dump(), frames=frames)

    @property
    def stft(self) -> Stft:
        """The transform."""
        return Stft(self.n_fft, self.hop_length)

    @property
    def row_bytes(self) -> int:
        """Bytes of one stem of a row."""
        return int(np.prod(self.shape)) * 4

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, freq, frame) of a row."""
        return self.channels, self.stft.freqs, self.frames


def write_shards(folder: Path, tracks: Sequence[Track], settings: Settings, megabytes: float, compute: Compute) -> None:
    """Write the segments of all tracks as shards of at most `megabytes` before compression, and their manifest.

    Raises:
        UserError: the tracks do not all have the same stems.
    """
    stems = [stem for stem in tracks[0].stems if stem != "mixture"]
    if taken := set(stems) & {"track", "split", "start"}:
        raise UserError(f'a stem cannot be called "{min(taken)}", for that is a column of the shards; rename its files')
    for track in tracks:
        if missing := set(stems) ^ (set(track.stems) - {"mixture"}):
            raise UserError(
                f'"{track.name}" and "{tracks[0].name}" differ in the stem {min(missing)}; give all tracks the same stems'
            )
    rows = max(1, int(megabytes * 1e6 / (settings.row_bytes * len(stems))))
    work = partial(_write_track, folder=folder, stems=stems, settings=settings, rows=rows)
    entries = parallel.over(work, list(enumerate(tracks)), compute, desc="shard")
    with atomically(folder / MANIFEST) as path:  # last: without it there are no shards
        path.write_text(json.dumps([entry for found in entries for entry in found], indent=1) + "\n")


def _write_track(job: tuple[int, Track], folder: Path, stems: Sequence[str], settings: Settings, rows: int) -> list[Entry]:
    """The shards of one track and their entries in the manifest."""
    number, track = job
    entries: list[Entry] = []
    found = segments(track, stems, settings)
    frames = audio.facts(track.stems[stems[0]]).frames
    for shard in range(-(-frames // (rows * settings.frames * settings.hop_length))):
        name = f"{number:05}-{shard:03}.parquet"
        count = write_shard(folder / name, islice(found, rows), stems, settings)
        entries.append(Entry(file=name, rows=count, sha256=sha256(folder / name)))
    return entries


def segments(track: Track, stems: Sequence[str], settings: Settings) -> Iterator[dict[str, object]]:
    """Rows of one track: its stems' spectra cut into segments, the last filled up with silence.

    Whole songs are transformed piece by piece: a piece has one more segment's context on each side than it keeps.
    """
    readers = [audio.rebatched(_padded(track.stems[stem], settings), settings.frames * settings.hop_length) for stem in stems]
    context = -(-settings.n_fft // settings.hop_length) * settings.hop_length  # samples on each side, zero beyond the ends
    before = np.zeros((len(stems), context, settings.channels), np.float32)
    pieces = (np.stack(together) for together in zip(*readers, strict=True))
    current = next(pieces, None)
    start = 0
    while current is not None:
        following = next(pieces, None)
        after = np.zeros_like(before) if following is None else following[:, :context]
        after = np.pad(after, ((0, 0), (0, context - after.shape[1]), (0, 0)))
        yield {"track": track.name, "split": track.split, "start": start, **_row(before, current, after, stems, settings)}
        start += current.shape[1]
        before = np.concatenate([before, current], axis=1)[:, -context:]
        current = following


def _padded(path: Path, settings: Settings) -> Iterator[audio.Samples]:
    """A stem filled up to whole segments."""
    segment = settings.frames * settings.hop_length
    length = -(-audio.facts(path).frames // segment) * segment
    return audio.fitted(audio.blocks(path), length, settings.channels)


def _row(before: np.ndarray, current: np.ndarray, after: np.ndarray, stems: Sequence[str], settings: Settings) -> dict[str, object]:
    """The columns of the stems; `before` and `after` are what lies around, (stem, sample, channel)."""
    waveform = torch.from_numpy(np.concatenate([before, current, after], axis=1)).transpose(1, 2)
    skipped = before.shape[1] // settings.hop_length
    row: dict[str, object] = {}
    for stem, samples in zip(stems, waveform, strict=True):  # one by one, for the sake of memory
        spectrum = settings.stft.forward(samples)[..., skipped : skipped + settings.frames]
        parts = torch.view_as_real(spectrum.contiguous())
        low, high = parts.aminmax()
        scale = max(max(-low.item(), high.item()) / PEAK, 1e-30)
        row[stem], row[f"{stem}_scale"] = (parts / scale).half().numpy().tobytes(), scale
    return row


def write_shard(path: Path, rows: Iterable[dict[str, object]], stems: Sequence[str], settings: Settings) -> int:
    """Write rows as one shard, one after the other; how many there were."""
    bytes_of_a_stem = pa.binary(settings.row_bytes)
    fields = [("track", pa.string()), ("split", pa.string()), ("start", pa.int64())]
    fields += [column for stem in stems for column in ((stem, bytes_of_a_stem), (f"{stem}_scale", pa.float32()))]
    schema = pa.schema(fields, metadata={"unsung": json.dumps({**asdict(settings), "stems": list(stems)})})
    how = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}  # LZ4 takes silent stems away
    with atomically(path) as partial_file, pq.ParquetWriter(partial_file, schema, **how) as writer:

        def write(row: dict[str, object]) -> None:
            writer.write_table(pa.Table.from_pylist([row], schema=schema), row_group_size=1)

        return sum(1 for _ in map(write, rows))  # map holds no row longer than it must


@dataclass(frozen=True)
class Row:
    """Where a segment is."""

    file: Path
    group: int
    start: int  # samples


class Shards:
    """Random access to the segments of one split.

    Raises:
        UserError: there are no whole shards, they were made with other settings, or none of them is of this split.
    """

    def __init__(self, folder: Path, split: str, settings: Settings) -> None:
        try:
            entries = json.loads((folder / MANIFEST).read_text())
        except FileNotFoundError:
            raise UserError(f"{folder} has no whole shards; run dvc repro shard") from None
        self.settings, self.stems = settings, tuple[str, ...]()
        self.rows: list[Row] = []
        for entry in entries:
            path = folder / entry["file"]
            self.stems = _check(path, settings)
            where = pq.read_table(path, columns=["split", "start"]).to_pylist()
            self.rows += [Row(path, i, r["start"]) for i, r in enumerate(where) if r["split"] == split]
        if not self.rows:
            raise UserError(f"{folder} has no segment of a {split} track; check the split of the data (docs/data.md)")

    def stem(self, row: Row, stem: str, first: int, frames: int) -> Complex[np.ndarray, "channel freq frame"]:
        """`frames` frames of a stem's spectrum in a row, from frame `first` on."""
        column = _open(row.file).read_row_group(row.group, columns=[stem, f"{stem}_scale"])
        parts = torch.frombuffer(column[stem][0].as_buffer(), dtype=torch.float16).view(*self.settings.shape, 2)
        found = parts[:, :, first : first + frames].float()  # fifteen times faster than numpy's astype
        return found.mul_(column[f"{stem}_scale"][0].as_py()).numpy().view(np.complex64)[..., 0]


def _check(path: Path, settings: Settings) -> tuple[str, ...]:
    try:
        metadata = pq.read_schema(path).metadata or {}
        found = json.loads(metadata[b"unsung"])
    except (FileNotFoundError, pa.ArrowInvalid, KeyError):
        raise UserError(f"{path} is not a shard of unsung; run dvc repro -f shard") from None
    stems = tuple(found.pop("stems"))
    for key, value in asdict(settings).items():
        if found[key] != value:
            raise UserError(f"{path} was made with {key} {found[key]}, the params say {value}; run dvc repro shard")
    return stems


@lru_cache(maxsize=512)
def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, memory_map=True)
