"""Shards: Parquet files of complex spectra. A row is a segment and a row group, a column a stem.

A stem of a row is `float16 (channel, freq, frame, 2)`, real and imaginary, as bytes, with a scale
beside it, so that a quiet stem keeps its bits. Bytes are read ten times faster than Arrow's lists
of halves (docs/experiments.md); row groups of one row give random access. A file's metadata has the
settings that made it. `manifest.json`, written last, lists the files. Mixtures are not stored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Complex

from unsung import audio, parallel
from unsung.config.schema import Compute, Params
from unsung.data.tracks import Track, written_by
from unsung.errors import UserError
from unsung.files import atomically, sha256
from unsung.spectrum import Stft

MANIFEST = "manifest.json"
Entry = dict[str, object]  # of the manifest: file, rows, sha256
Columns = dict[str, object]  # of a row, by name
PEAK = 2.0**15  # the largest part of a stored spectrum
SOUNDS = 1e-3  # of a full-scale sine's peak: -60 dB; a stem whose spectrum stays below is silent


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
    """Write all tracks as shards of at most `megabytes` before compression, and their manifest.

    A stem that a train track lacks is null in its rows, which takes no space.

    Raises:
        UserError: a valid track lacks a stem that another track has.
    """
    stems = list(dict.fromkeys(stem for track in tracks for stem in track.stems if stem != "mixture"))
    if taken := set(stems) & {"track", "split", "start", *(f"{stem}_scale" for stem in stems)}:
        raise UserError(f'a stem cannot be called "{min(taken)}", because that is a column of the shards; rename its files')
    for track in tracks:
        if track.split != "train" and (missing := set(stems) - set(track.stems)):
            what = "only tracks to train on may lack one; add it, or give all tracks the same stems"
            raise UserError(f'"{track.name}" has no {min(missing)}, which other tracks have; {what}')
    rows = max(1, int(megabytes * 1e6 / (settings.row_bytes * len(stems))))
    work = partial(_write_track, folder=folder, stems=stems, settings=settings, rows=rows)
    entries = parallel.over(work, list(enumerate(tracks)), compute, desc="shard")
    with atomically(folder / MANIFEST) as path:  # last: without it there are no shards
        path.write_text(json.dumps([entry for some in entries for entry in some], indent=1) + "\n")


def _write_track(job: tuple[int, Track], folder: Path, stems: Sequence[str], settings: Settings, rows: int) -> list[Entry]:
    """Write the shards of one track: their entries in the manifest."""
    number, track = job
    entries: list[Entry] = []
    own = [stem for stem in stems if stem in track.stems]
    waiting = segments(track, own, settings)
    frames = audio.facts(track.stems[own[0]]).frames
    with written_by("resample"):
        for shard in range(-(-frames // (rows * settings.frames * settings.hop_length))):
            path = folder / f"{number:05}-{shard:03}.parquet"
            count = write_shard(path, islice(waiting, rows), stems, settings)
            entries.append({"file": path.name, "rows": count, "sha256": sha256(path)})
    return entries


def segments(track: Track, stems: Sequence[str], settings: Settings) -> Iterator[Columns]:
    """Rows of one track: its stems' spectra in segments, the last filled up with silence.

    A song is transformed in pieces of a segment, each with the context that its windows reach.
    """
    segment = settings.frames * settings.hop_length
    readers = [audio.rebatched(_padded(track.stems[stem], segment, settings.channels), segment) for stem in stems]
    context = -(-settings.n_fft // settings.hop_length) * settings.hop_length  # samples on each side, zero beyond the ends
    before = np.zeros((len(stems), context, settings.channels), np.float32)
    pieces = chain((np.stack(together) for together in zip(*readers, strict=True)), [before])
    for number, (current, following) in enumerate(pairwise(pieces)):
        after = np.pad(following[:, :context], ((0, 0), (0, max(0, context - following.shape[1])), (0, 0)))
        columns = _columns(before, current, after, stems, settings)
        yield {"track": track.name, "split": track.split, "start": number * segment, **columns}
        before = np.concatenate([before, current], axis=1)[:, -context:]


def _padded(path: Path, segment: int, channels: int) -> Iterator[audio.Samples]:
    """A stem filled up to whole segments."""
    return audio.fitted(audio.blocks(path), -(-audio.facts(path).frames // segment) * segment, channels)


def _columns(before: np.ndarray, current: np.ndarray, after: np.ndarray, stems: Sequence[str], settings: Settings) -> Columns:
    """The columns of the stems; `before` and `after` lie around, (stem, sample, channel)."""
    waveform = torch.from_numpy(np.concatenate([before, current, after], axis=1)).transpose(1, 2)
    skipped = before.shape[1] // settings.hop_length
    row: Columns = {}
    for stem, samples in zip(stems, waveform, strict=True):  # one by one, for the sake of memory
        spectrum = settings.stft.forward(samples)[..., skipped : skipped + settings.frames]
        parts = torch.view_as_real(spectrum.contiguous())
        low, high = parts.aminmax()
        scale = max(max(-low.item(), high.item()) / PEAK, 1e-30)
        row[stem], row[f"{stem}_scale"] = (parts / scale).half().numpy().tobytes(), scale
    return row


def write_shard(path: Path, rows: Iterable[Columns], stems: Sequence[str], settings: Settings) -> int:
    """Write rows as one shard, one after the other; how many there were."""
    stem_type, scale_type = pa.binary(settings.row_bytes), pa.float32()
    fields = [("track", pa.string()), ("split", pa.string()), ("start", pa.int64())]
    fields += [column for stem in stems for column in ((stem, stem_type), (f"{stem}_scale", scale_type))]
    schema = pa.schema(fields, metadata={"unsung": json.dumps({**asdict(settings), "stems": list(stems)})})
    how = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}  # LZ4 takes silent stems away
    with atomically(path) as partial_file, pq.ParquetWriter(partial_file, schema, **how) as writer:

        def write(row: Columns) -> None:
            writer.write_table(pa.Table.from_pylist([row], schema=schema), row_group_size=1)

        return sum(1 for _ in map(write, rows))  # map holds no row longer than it must


@dataclass(frozen=True)
class Row:
    """Where a segment is, and what sounds in it."""

    file: Path
    group: int
    start: int  # samples
    track: str
    peaks: Mapping[str, float]  # of the spectra of its stems; that of a full-scale sine is 1

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
            self.stems = _check(path, settings)
            scales = [f"{stem}_scale" for stem in self.stems]
            where = pq.read_table(path, columns=["split", "start", "track", *scales]).to_pylist()
            if len(where) != count:
                raise UserError(f"{path} has {len(where)} segments, not {count}; run dvc repro shard")
            self.rows += [self._row(path, i, row) for i, row in enumerate(where) if row["split"] == split]
        if not self.rows:
            raise UserError(f"{folder} has no segment of a {split} track; check the split of the data (docs/data.md)")

    def _row(self, path: Path, group: int, row: Columns) -> Row:
        sine = self.settings.n_fft / 4  # the peak of its spectrum
        scales = {stem: row[f"{stem}_scale"] for stem in self.stems}
        peaks = {stem: float(scale) * PEAK / sine for stem, scale in scales.items() if isinstance(scale, float)}
        return Row(path, group, int(str(row["start"])), str(row["track"]), peaks)

    @property
    def whole(self) -> list[Row]:
        """The rows that have all stems."""
        return [row for row in self.rows if len(row.peaks) == len(self.stems)]

    def stem(self, row: Row, stem: str, first: int, frames: int) -> Complex[np.ndarray, "channel freq frame"]:
        """`frames` frames of a stem's spectrum in a row, from frame `first` on."""
        column = _open(row.file).read_row_group(row.group, columns=[stem, f"{stem}_scale"])
        parts = torch.frombuffer(column[stem][0].as_buffer(), dtype=torch.float16).view(*self.settings.shape, 2)
        spectrum = parts[:, :, first : first + frames].float()  # fifteen times faster than numpy's astype
        return spectrum.mul_(column[f"{stem}_scale"][0].as_py()).numpy().view(np.complex64)[..., 0]


def _listed(folder: Path) -> list[tuple[str, int]]:
    """The files that the manifest names, and how many segments each has."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} has no whole shards; run dvc repro shard")
    try:
        return [(str(entry["file"]), int(entry["rows"])) for entry in json.loads(path.read_bytes())]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not the list of shards that was written; run dvc repro shard") from None


def _check(path: Path, settings: Settings) -> tuple[str, ...]:
    """The stems of a shard, if it was made with these settings."""
    try:
        made_with = json.loads((pq.read_schema(path).metadata or {})[b"unsung"])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise UserError(f"{path} is not a shard of unsung, or not whole; run dvc repro shard") from None
    for key, value in asdict(settings).items():
        if made_with[key] != value:
            raise UserError(f"{path} was made with {key} {made_with[key]}, the params say {value}; run dvc repro shard")
    return tuple(made_with["stems"])


@lru_cache(maxsize=512)
def _open(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, memory_map=True)
