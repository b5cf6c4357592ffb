"""Audio files <-> float32 samples (frame, channel), in blocks, because songs can be long.

soundfile reads wav, flac, ogg, opus and mp3; PyAV reads the rest (m4a, aac, webm). Songs are
written as FLAC, from integers of 24 bits, because sums of integers are exact.
"""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float, Int

from unsung.containers import Container, check_alone, inspect, opened
from unsung.errors import UserError
from unsung.files import atomically

Samples = Float[np.ndarray, "_frame _channel"]  # no size is the same in two blocks
Grid = Int[np.ndarray, "_frame _channel"]  # samples as integers, FULL_SCALE being 1.0

EXTENSIONS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".webm", ".mp4"}
FULL_SCALE = 2**23  # 24 bit
BLOCK = 2**16  # frames read at once
ALLOWED = 0.1  # seconds that may lack at the end of an mp3, for a bad frame or two
LISTS = {"concat", "hls", "dash"}  # FFmpeg would read the files that they name
MOST = 2**60  # libsndfile's word for a length that is not known


@dataclass(frozen=True)
class Grain:
    """The integers that parts are rounded to: of `bits`, up to `headroom` times full scale."""

    bits: int = 24
    headroom: int = 1

    @property
    def step(self) -> int:
        """From one integer to the next, FULL_SCALE being 1.0."""
        return 2 ** (24 - self.bits)

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest one."""
        return -FULL_SCALE * self.headroom, FULL_SCALE * self.headroom - self.step


@dataclass(frozen=True)
class Facts:
    """Sample rate, channels and length of a file."""

    sample_rate: int  # Hz
    channels: int
    frames: int


def facts(path: Path, stream: int = 0) -> Facts:
    """The facts of a file, or of one of its audio streams. All is decoded if no length is stated.

    Raises:
        UserError: the file cannot be opened, is not audio, is cut short, or has no such stream.
    """
    container = inspect(path)
    if not container.ended:  # a radio's stream that was recorded has none either
        print(f"unsung: {path} has no end-of-stream flag; it may be cut short", file=sys.stderr)
    if files := [] if stream else _open(path, container):
        return Facts(files[0].samplerate, files[0].channels, sum(file.frames for file in files))
    frames = 0
    for frame in _decode_av(path, stream, container):
        frames += frame.samples
    if not frames:
        raise UserError(f"{path} has no audio in it; remove it")
    return Facts(frame.sample_rate, frame.layout.nb_channels, frames)


def blocks(path: Path, channels: int | None = None, stream: int = 0) -> Iterator[Samples]:
    """The samples of a file, or of one of its streams, with its own or another channel count.

    Raises:
        UserError: as `facts`, or it has NaN or infinite samples.
    """
    for block in _decode(path, stream):
        _check_finite(block, path)
        yield block if channels is None else to_channels(block, channels, path)


def read(path: Path) -> Samples:
    """All samples of a file; see `blocks`."""
    container = inspect(path)
    files = _open(path, container)
    if not files:  # nobody knows how long it is
        pieces = list(blocks(path))
        return np.concatenate(pieces) if pieces else np.zeros((0, facts(path).channels), np.float32)
    samples, count = np.empty((sum(file.frames for file in files), files[0].channels), np.float32), 0
    for file in files:
        with file:
            for block in _decode_file(path, file, container, samples[count:]):
                _check_finite(block, path)
                count += len(block)
    return samples[:count]


def _check_finite(block: Samples, path: Path) -> None:
    if not np.isfinite(block).all():
        raise UserError(f"{path} has NaN or infinite samples; export it again without them")


def resampled(blocks: Iterable[Samples], source: int, target: int) -> Iterator[Samples]:
    """Resample a stream of blocks from `source` to `target` Hz, with soxr's quality HQ."""
    if source == target:
        yield from blocks
        return
    import soxr

    stream: soxr.ResampleStream | None = None
    for block in blocks:
        channels = block.shape[1]
        stream = stream or soxr.ResampleStream(source, target, channels, dtype="float32", quality="HQ")
        yield stream.resample_chunk(np.ascontiguousarray(block)).reshape(-1, channels)
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels)


def fitted(blocks: Iterable[Samples], length: int, channels: int) -> Iterator[Samples]:
    """A stream of blocks, cut or padded with zeros to `length` frames."""
    left = length
    for block in blocks:
        yield block[:left]
        left -= min(left, len(block))
    while left:
        yield np.zeros((min(left, BLOCK), channels), np.float32)
        left -= min(left, BLOCK)


def rebatched(blocks: Iterable[Samples], size: int = BLOCK) -> Iterator[Samples]:
    """The same samples in blocks of `size` frames; the last one may be shorter."""
    waiting: list[Samples] = []
    for block in blocks:
        waiting.append(block)
        while sum(map(len, waiting)) >= size:
            joined = np.concatenate(waiting)
            yield joined[:size]
            waiting = [joined[size:]]
    if waiting and (last := np.concatenate(waiting)).size:
        yield last


def to_channels(block: Samples, channels: int, where: Path) -> Samples:
    """Mix down to one channel, or copy one channel to all.

    Raises:
        UserError: neither is possible, as from five channels to two.
    """
    if block.shape[1] == channels:
        return block
    if channels == 1:
        return block.mean(axis=1, keepdims=True)
    if block.shape[1] == 1:
        return np.repeat(block, channels, axis=1)
    raise UserError(f"{where} has {block.shape[1]} channels, {channels} are needed; mix it down first")


def to_grid(samples: Samples, bits: int = 24) -> Grid:
    """The nearest 24-bit integers, or multiples of 2 ** (24 - bits); nothing is clipped."""
    step = 2 ** (24 - bits)
    steps = np.multiply(samples, FULL_SCALE / step, dtype=np.float64)
    return np.rint(steps, out=steps).astype(np.int64) * step


def write(path: Path, blocks: Iterable[Grid], sample_rate: int, channels: int, bits: int = 24) -> None:
    """Write blocks of integers as FLAC of 24 or 16 bits, whole or not at all.

    Raises:
        ValueError: a sample lies beyond full scale.
        UserError: as `writer` does.
    """
    with atomically(path) as partial, writer(partial, sample_rate, channels, bits=bits) as file:
        for block in blocks:
            file.write(block)


class Writer:
    """A FLAC file that takes 24-bit integers, block by block."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self.file, self.frames, self.last = file, 0, np.zeros((0, 0), np.int32)

    def write(self, block: Grid) -> None:
        """Append a block.

        Raises:
            ValueError: a sample lies beyond full scale.
        """
        if block.size and (block.max() >= FULL_SCALE or block.min() < -FULL_SCALE):
            raise ValueError("a sample lies beyond full scale")
        self.last = block.astype(np.int32) << 8  # libsndfile takes the upper bits of 32
        self.frames += len(block)
        self.file.write(self.last)


@contextmanager
def writer(path: Path, sample_rate: int, channels: int, bits: int = 24, effort: float = 0.625) -> Iterator[Writer]:
    """Write a FLAC file; at the end its last block is read back, because closing tells no error.

    `effort` is an eighth of FLAC's compression level, of which there are 0 to 8.

    Raises:
        UserError: FLAC cannot hold the format, or the disk is full.
    """
    if channels > 8:
        raise UserError(f"FLAC holds at most 8 channels, the song has {channels}; mix it down first")
    if sample_rate > 655_350 or (sample_rate > 65_535 and sample_rate % 10):  # RFC 9639, section 9.1.2
        raise UserError(f"FLAC cannot hold {sample_rate} Hz; resample the song first")
    try:
        form = {"subtype": f"PCM_{bits}", "format": "FLAC", "compression_level": effort}
        with soundfile.SoundFile(os.fsencode(path), "w", sample_rate, channels, **form) as file:
            yield (writing := Writer(file))
        with soundfile.SoundFile(os.fsencode(path)) as file:
            if whole := file.frames == writing.frames:
                file.seek(writing.frames - len(writing.last))
                whole = np.array_equal(file.read(dtype="int32", always_2d=True), writing.last)
    except (soundfile.LibsndfileError, AssertionError):  # soundfile asserts that a block was written
        whole = False
    if not whole:
        raise UserError(f"{path} cannot be written to its end; is the disk full? Make room and run again")


class _Sequential(soundfile.SoundFile):
    """A file that cannot seek, because soundfile seeks after each read, which spoils an mp3."""

    def seekable(self) -> bool:
        return False


def _decode(path: Path, stream: int) -> Iterator[Samples]:
    container = inspect(path)
    files = [] if stream else _open(path, container)  # soundfile knows no streams
    if not files:
        import av  # where it is needed, because it takes a tenth of a second

        resampler = av.AudioResampler(format="fltp")  # changes the sample format, not the rate
        for frame in _decode_av(path, stream, container):
            yield from (converted.to_ndarray().T.copy() for converted in resampler.resample(frame))
    for file in files:
        with file:
            yield from _decode_file(path, file, container)


def _decode_file(path: Path, file: soundfile.SoundFile, container: Container, out: Samples | None = None) -> Iterator[Samples]:
    """Blocks of a file: parts of `out` where there is one, as long as the file."""
    left = file.frames
    try:
        while left:
            done, size = file.frames - left, min(BLOCK, left)
            place = np.empty((size, file.channels), np.float32) if out is None else out[done : done + size]
            if not len(block := file.read(out=place)):
                break
            left -= len(block)
            yield block
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path} cannot be read to its end ({error.error_string}); get the file anew") from None
    _check_length(path, file.frames - left, file.frames, file.samplerate, exact=container.kind == "flac")
    if container.kind == "flac":
        check_alone(path)


def _check_length(path: Path, frames: int, stated: int, sample_rate: int, exact: bool) -> None:
    """Refuse what is shorter than stated, beyond what a bad frame or two take from an mp3."""
    if stated - frames > (0 if exact else ALLOWED * sample_rate):
        seconds, whole = frames / sample_rate, stated / sample_rate
        raise UserError(f"{path} ends after {seconds:.3g} s of the {whole:.3g} s that it announces; get the file anew")


def _open(path: Path, container: Container) -> list[_Sequential]:
    """The file, or the Ogg files in it; none if libsndfile cannot open it or see where it ends."""
    if not container.sized:
        return []
    try:
        if len(container.links) > 1:
            files = [_Sequential(io.BytesIO(part)) for part in _parts(path, container.links)]
        else:
            files = [_Sequential(str(path) if os.name == "nt" else os.fsencode(path))]
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        return []
    first = files[0]
    if any((file.samplerate, file.channels) != (first.samplerate, first.channels) for file in files):
        raise UserError(f"{path} is several files in one, of different sample rates or channels; take them apart")
    if first.frames > MOST or (container.frames and abs(first.frames - container.frames) > 2304):  # not stated
        return []
    return files


def _parts(path: Path, links: Sequence[int]) -> Iterator[bytes]:
    content = path.read_bytes()
    return (content[begin:end] for begin, end in zip(links, [*links[1:], None], strict=True))


def _decode_av(path: Path, stream: int, container: Container) -> Iterator[Any]:
    """The frames of a stream. Of an mp3, what cannot be decoded is left out, as players do."""
    import av

    frames, form = 0, ""
    with _open_av(path, stream) as source:
        try:
            for packet in source.demux(audio=stream):
                for frame in _frames(packet, lenient=source.format.name == "mp3"):
                    if (form := form or _form(frame)) != _form(frame):
                        raise UserError(f"{path} changes from {form} to {_form(frame)}; take the parts apart")
                    frames += frame.samples
                    yield frame
        except av.FFmpegError as error:
            where = "to its end " if form else ""
            raise UserError(f"{path} cannot be read {where}({error.strerror}); get the file anew") from None
    if form:
        _check_length(path, frames, container.frames, frame.sample_rate, exact=container.cut)


def _frames(packet: Any, lenient: bool) -> list[Any]:
    import av

    try:
        return list(packet.decode())
    except av.InvalidDataError:
        if lenient:
            return []
        raise


def _form(frame: Any) -> str:
    return f"{frame.sample_rate} Hz, {frame.layout.nb_channels} channel(s)"


@contextmanager
def _open_av(path: Path, stream: int) -> Iterator[Any]:
    import av

    name = str(path)
    with opened(path) as file:
        try:  # "file:", as FFmpeg takes a name with a colon for an address; it cannot take any letters
            container = av.open(f"file:{name}" if name.encode(errors="ignore").decode() == name else file, "r")
        except (av.FFmpegError, ValueError):
            raise UserError(f"{path} is not audio that can be read; remove it or convert it to wav, flac, ogg or mp3") from None
        with container:
            if container.format.name in LISTS:
                raise UserError(f"{path} is a list of files, not audio; give the files")
            if (count := len(container.streams.audio)) <= stream:
                what = f"has {count} streams, not {stream + 1}" if count else "has no audio in it; remove it"
                raise UserError(f"{path} {what}")
            yield container
