"""Compare what a shard may hold: spectra or waveforms, in how many bytes, and how fast they feed.

A segment is 6 s of four stems at 44.1 kHz stereo, at a random place of rows of 8 s. Each way gives
the same tensor: the spectra (2048/512) of the vocals and of the sum of all others; waveforms are
transformed after they are added up. `read` leaves that STFT out, which a GPU does in no time.
Cold: the file was dropped from the page cache before every segment, as one much larger than memory
would be. One thread. Errors are those of a stem in dB below it, on average over rows.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import torch
from common import compose, table
from feeding import forget

from unsung import audio
from unsung.data.providers import provide
from unsung.data.stems import prepare
from unsung.spectrum import Stft

RATE, CHANNELS, ROW, SEGMENT = 44_100, 2, 8 * 44_100, 6 * 44_100
STFT = Stft(2048, 512)
FRAMES, SEGMENT_FRAMES = ROW // STFT.hop_length, SEGMENT // STFT.hop_length
BAND = 32  # frequencies that share a scale
MU = 255.0  # of the companding (ITU-T G.711's mu-law, on parts of spectra)
LONG = 3.0  # seconds of a measurement
Row = np.ndarray  # of one stem: int16 (channel, sample)


@dataclass(frozen=True)
class Way:
    """How a stem of a row becomes columns, and what is read of them."""

    name: str
    encode: Callable[[Row], dict[str, object]]
    decode: Callable[[dict[str, pa.Array], int], np.ndarray]  # of a segment from this sample on
    writing: dict[str, object]
    spectra: bool = False


def halves(row: Row) -> dict[str, object]:
    """Spectra in half precision, with one scale."""
    parts = _parts(row)
    scale = max(float(np.abs(parts).max()) / 2**15, 1e-30)
    return {"bytes": torch.from_numpy(parts / scale).half().numpy().tobytes(), "scale": scale}


def of_halves(columns: dict[str, pa.Array], first: int) -> np.ndarray:
    """The spectrum of a segment."""
    halves = torch.frombuffer(columns["bytes"][0].as_buffer(), dtype=torch.float16).view(CHANNELS, STFT.freqs, FRAMES, 2)
    return _segment(halves, first).float().mul_(columns["scale"][0].as_py()).numpy().view(np.complex64)[..., 0]


def companded(row: Row) -> dict[str, object]:
    """Eight bits, with a scale for each band of frequencies and each channel."""
    parts = _parts(row)
    bands = np.array_split(np.arange(STFT.freqs), range(BAND, STFT.freqs, BAND))
    scales = np.stack([np.abs(parts[:, band]).max(axis=(1, 2, 3)) for band in bands], axis=1).astype(np.float32)
    shares = parts / np.maximum(_spread(scales), 1e-30)
    bits = np.rint(np.sign(shares) * np.log1p(MU * np.abs(shares)) / np.log1p(MU) * 127).astype(np.int8)
    return {"bytes": bits.tobytes(), "scale": scales.tobytes()}


def of_companded(columns: dict[str, pa.Array], first: int) -> np.ndarray:
    """The spectrum of a segment."""
    bits = np.frombuffer(columns["bytes"][0].as_buffer(), np.int8).reshape(CHANNELS, STFT.freqs, FRAMES, 2)
    scales = np.frombuffer(columns["scale"][0].as_buffer(), np.float32).reshape(CHANNELS, -1)
    steps = np.arange(-128, 128) / 127
    known = (np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU).astype(np.float32)  # a table for 256 values
    parts = known[_segment(bits, first).astype(np.int16) + 128] * _spread(scales)
    return parts.view(np.complex64)[..., 0]


def flac(row: Row) -> dict[str, object]:
    """A FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, row.T, RATE, format="FLAC", subtype="PCM_16")
    return {"bytes": file.getvalue()}


def of_flac(columns: dict[str, pa.Array], first: int) -> np.ndarray:
    """The samples of a segment."""
    with soundfile.SoundFile(pa.BufferReader(columns["bytes"][0].as_buffer())) as file:
        file.seek(first)
        return np.ascontiguousarray(file.read(SEGMENT, dtype="float32").T)


def integers(row: Row) -> dict[str, object]:
    """A column for each channel."""
    return {f"{channel}": samples for channel, samples in enumerate(row)}


def of_integers(columns: dict[str, pa.Array], first: int) -> np.ndarray:
    """The samples of a segment."""
    found = [column.to_numpy()[first : first + SEGMENT] for column in columns.values()]
    return np.multiply(found, np.float32(2**-15), dtype=np.float32)


DELTA = {"column_encoding": "DELTA_BINARY_PACKED"}
WAYS = (
    Way("spectra, float16, LZ4", halves, of_halves, {"compression": "lz4"}, spectra=True),
    Way("spectra, 8 bits, LZ4", companded, of_companded, {"compression": "lz4"}, spectra=True),
    Way("waveforms, int16", integers, of_integers, {"compression": "none"}),
    Way("waveforms, int16, LZ4", integers, of_integers, {"compression": "lz4"}),
    Way("waveforms, int16, delta", integers, of_integers, {"compression": "none", **DELTA}),
    Way("waveforms, int16, delta, zstd", integers, of_integers, {"compression": "zstd", **DELTA}),
    Way("waveforms, FLAC", flac, of_flac, {"compression": "none"}),
)


def _parts(row: Row) -> np.ndarray:
    """Real and imaginary parts of its spectrum."""
    spectrum = STFT.forward(torch.from_numpy(row / np.float32(2**15)))[..., :FRAMES]
    return torch.view_as_real(spectrum.contiguous()).numpy()


def _spread(scales: np.ndarray) -> np.ndarray:
    """A scale for each frequency of one for each band."""
    return np.repeat(scales, BAND, axis=1)[:, : STFT.freqs, None, None]


def _segment(parts, first: int):  # type: ignore[no-untyped-def]  # of torch or numpy
    frame = first // STFT.hop_length
    return parts[:, :, frame : frame + SEGMENT_FRAMES]


def write(path: Path, way: Way, rows: Sequence[Sequence[Row]]) -> None:
    """Write rows of four stems, each as a row group."""
    writer = None
    for row in rows:
        columns = {f"{stem}.{name}": value for stem, one in enumerate(row) for name, value in way.encode(one).items()}
        whole = pa.table({name: value if isinstance(value, np.ndarray) else [value] for name, value in columns.items()})
        if writer is None:
            how = dict(way.writing)
            if "column_encoding" in how:
                how["column_encoding"] = dict.fromkeys(whole.column_names, how["column_encoding"])
            writer = pq.ParquetWriter(path, whole.schema, use_dictionary=False, write_statistics=False, **how)
        writer.write_table(whole, row_group_size=len(whole))
    assert writer is not None
    writer.close()


def read(file: pq.ParquetFile, way: Way, group: int, stem: int, first: int) -> np.ndarray:
    """A segment of a stem."""
    names = [name for name in file.schema_arrow.names if name.startswith(f"{stem}.")]
    columns = file.read_row_group(group, columns=names)
    return way.decode({name.partition(".")[2]: columns[name] for name in names}, first)


def draw(file: pq.ParquetFile, way: Way, rng: np.random.Generator, stft: bool) -> torch.Tensor:
    """The spectra of a segment, of moments of their own: vocals, and the sum of all others."""
    stems = [read(file, way, int(rng.integers(file.num_row_groups)), stem, int(rng.integers(ROW - SEGMENT))) for stem in range(4)]
    both = torch.from_numpy(np.stack([stems[0], stems[1] + stems[2] + stems[3]]))
    return both if way.spectra or not stft else STFT.forward(both)


def speed(path: Path, way: Way, stft: bool, cold: bool) -> float:
    """Segments per second."""
    file, rng, count, taken = pq.ParquetFile(path), np.random.default_rng(0), 0, 0.0
    draw(file, way, rng, stft)
    while taken < LONG:
        if cold:
            forget(path)
        start = time.perf_counter()
        draw(file, way, rng, stft)
        taken, count = taken + time.perf_counter() - start, count + 1
    return count / taken


def error(way: Way, rows: Sequence[Sequence[Row]]) -> float:
    """In dB below the stem; that of spectra is measured on spectra."""
    energies = np.zeros(2)
    for row in (one for some in rows[:4] for one in some):
        file = {name: pa.array(value if isinstance(value, np.ndarray) else [value]) for name, value in way.encode(row).items()}
        truth = row[:, :SEGMENT] / np.float32(2**15)
        whole = _segment(_parts(row), 0).view(np.complex64)[..., 0] if way.spectra else truth
        energies += [np.square(np.abs(whole)).sum(), np.square(np.abs(way.decode(file, 0) - whole)).sum()]
    return float(10 * np.log10(energies[0] / energies[1])) if energies[1] else np.inf


def songs(root: Path, folder: Path | None) -> list[list[Row]]:
    """Rows of four stems: of composed songs, or of recordings, of which two stems count twice."""
    if folder is None:
        params = compose(root, songs=4, seconds=60.0)
        tracks = [prepare(recording, root / "stems", params.audio)[0].stems for recording in provide(root, params)[1]]
    else:
        tracks = [{path.stem: path for path in sorted(song.iterdir())} for song in sorted(folder.iterdir()) if song.is_dir()]
    rows = []
    for stems in tracks[:6]:
        names = [name for name in stems if name != "mixture"]
        found = [_whole(stems[name]) for name in (names if len(names) == 4 else names * 2)]
        count = min(60 * RATE, *(one.shape[1] for one in found)) // ROW
        rows += [[np.ascontiguousarray(one[:, i * ROW : (i + 1) * ROW]) for one in found] for i in range(count)]
    return rows


def _whole(path: Path) -> Row:
    return np.clip(np.rint(audio.to_channels(audio.read(path), CHANNELS, path).T * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def main() -> None:
    """Measure all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="recordings at 44.1 kHz; without it, composed songs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    with tempfile.TemporaryDirectory() as place:
        rows = songs(Path(place), arguments.folder)
        for way in WAYS:
            path = Path(place, "shard.parquet")
            write(path, way, rows)
            size = path.stat().st_size / 1e9 / (len(rows) * 8 / 3600)
            measured = partial(speed, path, way)
            speeds = [measured(stft=stft, cold=cold) for stft, cold in ((True, False), (True, True), (False, False), (False, True))]
            lines.append((way.name, f"{size:.2f}", *(f"{value:.0f}" for value in speeds), f"{error(way, rows):.0f}"))
            print(lines[-1], flush=True)
    print(table(("way", "GB/hour", "segments/s", "cold", "read/s", "read cold", "error dB"), lines))


if __name__ == "__main__":
    main()
