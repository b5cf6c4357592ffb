"""Audio files <-> float32 samples (frame, channel), in blocks, because songs can be long.

soundfile reads wav, flac, ogg, opus and mp3; PyAV reads the rest (m4a, aac, webm). Songs are
written as FLAC, from integers of 24 bits, because sums of integers are exact.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Int

from unsung.errors import UserError
from unsung.files import atomically

Samples = Float[np.ndarray, "_frame _channel"]  # no size is the same in two blocks
Grid = Int[np.ndarray, "_frame _channel"]  # samples as integers, FULL_SCALE being 1.0

EXTENSIONS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".webm", ".mp4"}
FULL_SCALE = 2**23  # 24 bit
BLOCK = 2**16  # frames read at once


@dataclass(frozen=True)
class Facts:
    """Sample rate, channels and length of a file."""

    sample_rate: int  # Hz
    channels: int
    frames: int


def facts(path: Path, stream: int = 0) -> Facts:
    """The facts of a file, or of one of its audio streams; PyAV decodes it all to count the frames.

    Raises:
        UserError: the file is missing, is not audio, or has no such stream.
    """
    if (announced := _announced(path)) and not stream:
        return announced
    with _open_av(path, stream) as container:
        track = container.streams.audio[stream]
        return Facts(track.rate, track.channels, sum(map(len, _decode_av(path, stream))))


def _announced(path: Path) -> Facts | None:
    """What the header says; None if soundfile cannot open the file."""
    if not (file := _open(path)):
        return None
    with file:
        return Facts(file.samplerate, file.channels, file.frames)


def blocks(path: Path, channels: int | None = None, stream: int = 0) -> Iterator[Samples]:
    """The samples of a file, or of one of its streams, with its own or another channel count.

    Raises:
        UserError: the file is missing, is not audio, is cut short, or has NaN or infinite samples.
    """
    announced, frames = _announced(path), 0
    for block in _decode(path, stream):
        frames += len(block)
        if not np.isfinite(block).all():
            raise UserError(f"{path} has NaN or infinite samples; export it again without them")
        yield block if channels is None else to_channels(block, channels, path)
    if announced and announced.frames - frames > 0.02 * announced.frames + 0.1 * announced.sample_rate:  # mp3s exaggerate
        seconds, whole = frames / announced.sample_rate, announced.frames / announced.sample_rate
        raise UserError(f"{path} ends after {seconds:.1f} s of the {whole:.1f} s that it announces; get the file anew")


def read(path: Path) -> Samples:
    """All samples of a file; see `blocks`."""
    pieces = list(blocks(path))
    return np.concatenate(pieces) if pieces else np.zeros((0, facts(path).channels), np.float32)


def resampled(blocks: Iterable[Samples], source: int, target: int) -> Iterator[Samples]:
    """Resample a stream of blocks from `source` to `target` Hz, with soxr's quality HQ."""
    if source == target:
        yield from blocks
        return
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
    return np.rint(samples.astype(np.float64) * (FULL_SCALE / step)).astype(np.int64) * step


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
def writer(path: Path, sample_rate: int, channels: int, comment: str = "", bits: int = 24) -> Iterator[Writer]:
    """Write a FLAC file; at the end its last block is read back, because closing tells no error.

    Raises:
        UserError: FLAC cannot hold the format, or the disk is full.
    """
    if channels > 8:
        raise UserError(f"FLAC holds at most 8 channels, the song has {channels}; mix it down first")
    if sample_rate > 655_350 or (sample_rate > 65_535 and sample_rate % 10):  # RFC 9639, section 9.1.2
        raise UserError(f"FLAC cannot hold {sample_rate} Hz; resample the song first")
    try:
        with soundfile.SoundFile(os.fsencode(path), "w", sample_rate, channels, f"PCM_{bits}", format="FLAC") as file:
            if comment:
                file.comment = comment
            yield (writing := Writer(file))
        with soundfile.SoundFile(os.fsencode(path)) as file:
            if whole := file.frames == writing.frames:
                file.seek(writing.frames - len(writing.last))
                whole = np.array_equal(file.read(dtype="int32", always_2d=True), writing.last)
    except (soundfile.LibsndfileError, AssertionError):  # soundfile asserts that a block was written
        whole = False
    if not whole:
        raise UserError(f"{path} cannot be written to its end; is the disk full? Make room and run again")


def comment(path: Path) -> str:
    """The comment in a file that `writer` made; empty for any other file, or none."""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            return str(file.comment)
    except (soundfile.LibsndfileError, TypeError):
        return ""


def is_whole(path: Path) -> bool:
    """Whether all samples of a FLAC file are those that its header was made of.

    The header has the MD5 of the samples (RFC 9639, section 8.2).
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            size = {"PCM_16": 2, "PCM_24": 3}[file.subtype]
            while len(block := file.read(BLOCK, dtype="int32", always_2d=True)):
                digest.update(block.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 4 - size :].tobytes())
    except (soundfile.LibsndfileError, KeyError):
        return False
    with path.open("rb") as bytes_of:
        return bytes_of.read(42)[26:] == digest.digest()


class _Sequential(soundfile.SoundFile):
    """A file that cannot seek, because soundfile seeks after each read, which spoils an mp3."""

    def seekable(self) -> bool:
        return False


def _decode(path: Path, stream: int) -> Iterator[Samples]:
    file = None if stream else _open(path)  # soundfile knows no streams
    if not file:
        yield from _decode_av(path, stream)
        return
    with file:
        try:
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                yield block
        except soundfile.LibsndfileError as error:
            raise UserError(f"{path} cannot be read to its end ({error.error_string}); get the file anew") from None


def _open(path: Path) -> _Sequential | None:
    try:
        return _Sequential(str(path))
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        return None


def _decode_av(path: Path, stream: int) -> Iterator[Samples]:
    with _open_av(path, stream) as container:
        resampler = av.AudioResampler(format="fltp")  # changes the sample format, not the rate
        try:
            for frame in container.decode(audio=stream):
                for converted in resampler.resample(frame):
                    yield converted.to_ndarray().T.copy()
        except av.FFmpegError as error:
            raise UserError(f"{path} cannot be read to its end ({error.strerror}); get the file anew") from None


def _open_av(path: Path, stream: int) -> av.container.InputContainer:
    if not path.is_file():
        raise UserError(f"{path} is not a file; mend the path")
    try:
        container = av.open(str(path))
    except av.FFmpegError:
        raise UserError(f"{path} is not audio that can be read; remove it or convert it to wav, flac, ogg or mp3") from None
    if (count := len(container.streams.audio)) <= stream:
        container.close()
        raise UserError(f"{path} has no audio in it; remove it" if not count else f"{path} has {count} streams, not {stream + 1}")
    return container
