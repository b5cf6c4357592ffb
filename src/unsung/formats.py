"""The files that a song's parts are written to: formats, tags, cover, a mark that they are whole.

soundfile encodes FLAC, WAV and Vorbis, PyAV all others. Then the packets are copied into the final
file, with the song's tags and cover and a comment of ours, which has a hash of the packets. So a
file tells later what made it, for which song, and whether a byte of it changed.
"""

import base64
import hashlib
import heapq
import io
import json
import mmap
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import av
import numpy as np
import soundfile
from av.stream import Disposition

from unsung import audio
from unsung.audio import FULL_SCALE, Grid
from unsung.containers import opened
from unsung.errors import UserError
from unsung.files import DISK_FULL

Name = Literal["flac", "wav", "wav-float", "mp3", "ogg", "opus", "m4a", "stem.mp4"]
HEX = "([0-9a-f]{16})"
ECHO = f"unsung {HEX} sha256:{HEX} path:{HEX}(?: packets:{HEX})?"
BEHIND = re.compile(f"(?:^| \\| ){ECHO}$")  # a comment of somebody else
SIGNED = re.compile(f"<!-- {ECHO} -->\n".encode())
OF_THE_FILE = {"encoder", "major_brand", "minor_version", "compatible_brands", "creation_time", "language", "handler_name"}
OF_THE_FILE |= {"vendor_id", "metadata_block_picture", "itunsmpb", "replaygain_track_gain", "replaygain_track_peak", "duration"}
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
QUALITY = {45: -0.1, 64: 0.0, 96: 0.2, 128: 0.4, 160: 0.5, 192: 0.6, 256: 0.8, 320: 0.9, 500: 1.0}  # Vorbis: kbit/s of stereo
CANNOT = "{} cannot be written to its end; is the disk full? Make room and run again"
FLAC_EFFORT = 0.5  # level 4: four fifths of level 5's time, 0.05 % more bytes
STEMS = 4  # beside the mixture, in a file for DJ software: the format knows no other number
COLOURS = ("#E0503A", "#2F7ED8", "#8BBC21", "#F28F43")


@dataclass(frozen=True)
class Format:
    """A format of files, and what it can hold."""

    ending: str
    container: str  # libavformat's name
    codec: str = ""  # libavcodec's name; empty: soundfile encodes it
    bits: tuple[int, ...] = ()  # of integer samples, the best one last
    bitrate: int = 0  # kbit/s by default; 0: it is lossless
    channels: int = 8  # at most
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def lossless(self) -> bool:
        """Whether the parts add up to the song to the last bit."""
        return not self.bitrate


FORMATS: Mapping[str, Format] = {
    "flac": Format(".flac", "flac", bits=(16, 24)),
    "wav": Format(".wav", "wav", bits=(16, 24), channels=1024, options={"rf64": "auto"}),
    "wav-float": Format(".wav", "wav", channels=1024, options={"rf64": "auto"}),
    "mp3": Format(".mp3", "mp3", "libmp3lame", bitrate=256, channels=2),
    "ogg": Format(".ogg", "ogg", bitrate=192),
    "opus": Format(".opus", "opus", "libopus", bitrate=160),
    "m4a": Format(".m4a", "mp4", "aac", bitrate=256),
    "stem.mp4": Format(".stem.mp4", "mp4", "aac", bitrate=256, channels=2),
}


@dataclass(frozen=True)
class Encoding:
    """A format with its bits a sample, or its bitrate in kbit/s; None is the format's default."""

    name: Name = "flac"
    bits: int | None = None
    bitrate: int | None = None

    def __post_init__(self) -> None:
        if self.bits is not None and self.bits not in self.format.bits:
            known = " or ".join(map(str, self.format.bits)) or "no choice of bits"
            raise UserError(f"--bits {self.bits} is not for {self.name}, which has {known}; leave it out")
        if self.bitrate is not None and self.format.lossless:
            raise UserError(f"--bitrate is not for {self.name}, which loses nothing; leave it out, or choose another --format")

    @property
    def format(self) -> Format:
        """What it can hold."""
        return FORMATS[self.name]

    @property
    def grain(self) -> audio.Grain:
        """The integers that parts are rounded to. Floats hold 24 bits up to twice full scale."""
        return audio.Grain(self.bits or 24, headroom=2 if self.name == "wav-float" else 1)


@dataclass(frozen=True)
class Tags:
    """What a song's file says of it: title, artist, ...; and its cover, the bytes of a picture."""

    values: Mapping[str, str] = field(default_factory=dict)
    cover: bytes = b""

    @classmethod
    def of(cls, path: Path) -> "Tags":
        """The tags of a file; none if it has none that can be read."""
        with suppress(av.FFmpegError, ValueError, StopIteration), opened(path) as file, av.open(file, "r") as source:
            values = dict(source.metadata) | (dict(source.streams.audio[0].metadata) if source.streams.audio else {})
            covers = [stream for stream in source.streams.video if stream.disposition & Disposition.attached_pic]
            cover = bytes(next(source.demux(covers[0]))) if covers else b""
            return cls({name: value for name, value in values.items() if name.lower() not in OF_THE_FILE}, cover)
        return cls()


@dataclass(frozen=True)
class Echo:
    """The comment of ours in a file."""

    made_with: str  # a fingerprint of model and options
    song: str  # of the song's bytes
    path: str  # of its path
    packets: str = ""  # of the file's packets

    def __str__(self) -> str:
        return f"unsung {self.made_with} sha256:{self.song} path:{self.path} packets:{self.packets}"


@contextmanager
def _to_its_end(path: Path) -> Iterator[None]:
    """Say in one line that a file cannot be written."""
    try:
        yield
    except (av.FFmpegError, soundfile.LibsndfileError, AssertionError, OSError) as error:  # soundfile asserts
        if isinstance(error, OSError) and not isinstance(error, av.FFmpegError) and error.errno not in DISK_FULL:
            raise
        raise UserError(CANNOT.format(path)) from None


class Sink(Protocol):
    """Something that takes a part of a song, block by block."""

    def write(self, block: Grid) -> None:
        """Append integers, FULL_SCALE being 1.0, (frame, channel)."""


def echo(path: Path) -> Echo | None:
    """What `finish` or `sign` wrote into a file, also if it was cut; None if they did not."""
    with suppress(ValueError, UserError), opened(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if found := re.search(ECHO.encode(), content):
            return Echo(*(text.decode() for text in found.groups(default=b"")))
    return None


def is_whole(path: Path) -> bool:
    """Whether a file that `finish` or `sign` wrote has all its packets or letters, unchanged."""
    if not (known := echo(path)):
        return False
    if path.suffix == ".html":
        return known.packets == hashlib.sha256(SIGNED.sub(b"", path.read_bytes(), count=1)).hexdigest()[:16]
    with suppress(av.FFmpegError, ValueError):
        return known.packets == _packets(path)
    return False


def sign(path: Path, mark: Echo) -> None:
    """Add our comment to a page, below its first line."""
    content = path.read_bytes()
    echo = Echo(mark.made_with, mark.song, mark.path, hashlib.sha256(content).hexdigest()[:16])
    path.write_bytes(content.replace(b"\n", f"\n<!-- {echo} -->\n".encode(), 1))


@contextmanager
def sink(path: Path, encoding: Encoding, sample_rate: int, channels: int) -> Iterator[Sink]:
    """Encode a part into a file without tags; `finish` makes the final one of it.

    Raises:
        UserError: the format cannot hold the channels or the rate, or the disk is full.
    """
    form = encoding.format
    if channels > form.channels:
        raise UserError(f"{encoding.name} holds at most {form.channels} channels, the song has {channels}; mix it down first")
    if encoding.name == "flac":
        with audio.writer(path, sample_rate, channels, encoding.bits or 24, FLAC_EFFORT) as file:
            yield file
    elif form.codec:
        with _to_its_end(path), path.open("w+b") as out, av.open(out, "w", format=form.container) as container:
            encoder = _Encoder(container, encoding, sample_rate, channels)
            yield encoder
            encoder.end()
    else:
        kind = _vorbis(encoding, channels) if encoding.name == "ogg" else {"format": "W64", "subtype": _subtype(encoding)}
        with _to_its_end(path):
            with soundfile.SoundFile(path, "w", sample_rate, channels, **kind) as file:
                yield (encoded := _SoundFile(file))
            if soundfile.info(path).frames != encoded.frames:  # closing tells no error
                raise UserError(CANNOT.format(path))


def finish(sources: Sequence[Path], path: Path, encoding: Encoding, tags: Tags, mark: Echo, titles: Sequence[str] = ()) -> None:
    """Copy the packets of `sources`, each into a stream, with tags, cover and our comment.

    Raises:
        UserError: what was written is not what is read back: the disk is full.
    """
    form, hashed = encoding.format, _packets(*sources)
    own = next((BEHIND.sub("", value) for name, value in tags.values.items() if name.lower() == "comment"), "")
    said = " | ".join([*([own] if own else []), str(Echo(mark.made_with, mark.song, mark.path, hashed))])
    values = {name: value for name, value in tags.values.items() if name.lower() != "comment"} | {"comment": said}
    if tags.cover and encoding.name in ("ogg", "opus"):
        values["METADATA_BLOCK_PICTURE"] = _picture_block(tags.cover)
    with (
        _to_its_end(path),
        path.open("w+b") as file,
        av.open(file, "w", format=form.container, options=dict(form.options)) as out,
        ExitStack() as stack,
    ):
        opened_files = [stack.enter_context(av.open(str(source), "r")) for source in sources]
        streams = [out.add_stream_from_template(source.streams.audio[0]) for source in opened_files]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default.value if number == 0 else 0  # type: ignore[assignment]  # for old PyAV
            if titles:
                stream.metadata["title"] = titles[number]
        (streams[0] if form.container in ("ogg", "opus") else out).metadata.update(values)
        cover = _cover_stream(out, tags.cover) if form.container in ("flac", "mp3", "mp4") else None
        for number, packet in enumerate(_in_time(opened_files, streams)):
            out.mux(packet)
            if number == 0 and cover:
                out.mux(cover)
    with _to_its_end(path):
        if encoding.name == "stem.mp4":
            _describe_stems(path, titles[1:])
        if _packets(path) != hashed:
            raise UserError(CANNOT.format(path))


class _SoundFile:
    """A file that soundfile encodes."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self.file, self.frames = file, 0

    def write(self, block: Grid) -> None:
        self.frames += len(block)
        whole = self.file.subtype in ("PCM_16", "PCM_24")
        self.file.write(block.astype(np.int32) << 8 if whole else (block / FULL_SCALE).astype(np.float32))


class _Encoder:
    """A stream that PyAV encodes, at the song's rate or the next one that the codec has."""

    def __init__(self, container: av.container.OutputContainer, encoding: Encoding, sample_rate: int, channels: int) -> None:
        codec = av.Codec(encoding.format.codec, "w")
        rates = sorted(codec.audio_rates or [sample_rate])
        self.container, self.source_rate, self.layout = container, sample_rate, LAYOUTS[channels]
        self.stream: Any
        rate = next((rate for rate in rates if rate >= sample_rate), rates[-1])
        self.stream = container.add_stream(encoding.format.codec, rate=rate, layout=self.layout)
        self.stream.bit_rate = 1000 * (encoding.bitrate or encoding.format.bitrate)
        formats = [form.name for form in codec.audio_formats or []]
        self.resampler = av.AudioResampler("fltp" if "fltp" in formats else formats[0], self.layout, rate)
        self.frames = 0

    def write(self, block: Grid) -> None:
        samples = np.clip(block / FULL_SCALE, -1, 1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", self.layout)
        frame.sample_rate, frame.pts = self.source_rate, self.frames
        self.frames += len(block)
        self._encode(self.resampler.resample(frame))

    def end(self) -> None:
        """Encode what waits in the resampler and the encoder."""
        self._encode(self.resampler.resample(None))
        self.container.mux(self.stream.encode(None))

    def _encode(self, frames: Sequence[av.AudioFrame]) -> None:
        for frame in frames:
            self.container.mux(self.stream.encode(frame))


def _subtype(encoding: Encoding) -> str:
    return f"PCM_{encoding.bits or encoding.format.bits[-1]}" if encoding.format.bits else "FLOAT"


def _vorbis(encoding: Encoding, channels: int) -> dict[str, Any]:
    """Vorbis by the quality that gives about this bitrate."""
    stereo = (encoding.bitrate or encoding.format.bitrate) * 2 / min(2, channels)
    quality = float(np.interp(stereo, list(QUALITY), list(QUALITY.values())))
    return {"format": "OGG", "subtype": "VORBIS", "compression_level": min(1.0, 1 - quality)}


def _packets(*paths: Path) -> str:
    """A hash of the packets of all audio streams, in the order of files and streams."""
    digest = hashlib.sha256()
    for path in paths:
        with opened(path) as file:
            for stream in [hashlib.file_digest(file, "sha256")] if _is_at_flac_frames(file) else _streams(file):
                digest.update(stream.digest())
    return digest.hexdigest()[:16]


def _is_at_flac_frames(file: BinaryIO) -> bool:
    """Whether a file is FLAC; then go to its frames, which are its packets one after the other.

    Finding where each of them ends would take much longer. RFC 9639, section 8, has the layout.
    """
    if file.read(4) != b"fLaC":
        file.seek(0)
        return False
    while head := file.read(4):  # of a block of metadata: whether it is the last, its kind, its length
        file.seek(int.from_bytes(head[1:], "big"), io.SEEK_CUR)
        if head[0] & 128:
            break
    return True


def _streams(file: BinaryIO) -> list[Any]:
    """A hash of the packets of each audio stream."""
    with av.open(file, "r") as source:
        streams = {stream.index: hashlib.sha256() for stream in source.streams.audio}
        for packet in source.demux(audio=tuple(range(len(streams)))):
            streams[packet.stream.index].update(packet)
    return list(streams.values())


def _in_time(sources: Sequence[Any], streams: Sequence[Any]) -> Iterator[av.Packet]:
    """The packets of all sources, the earliest first."""

    def packets(number: int) -> Iterator[tuple[float, int, av.Packet]]:
        for packet in sources[number].demux(audio=0):
            if packet.dts is not None:
                time = float(packet.dts * packet.time_base)
                packet.stream = streams[number]
                yield time, number, packet

    for _, _, packet in heapq.merge(*map(packets, range(len(sources))), key=lambda item: item[:2]):
        yield packet


def _cover_stream(out: av.container.OutputContainer, cover: bytes) -> av.Packet | None:
    """A stream for the cover, and the packet for it; None if there is no cover that can be read."""
    if not cover:
        return None
    with suppress(av.FFmpegError, IndexError, StopIteration), av.open(io.BytesIO(cover), "r") as picture:
        packet = next(picture.demux(video=0))
        stream = out.add_stream_from_template(picture.streams.video[0])
        stream.disposition = Disposition.attached_pic.value  # type: ignore[assignment]
        packet.stream = stream
        return packet
    return None


def _picture_block(cover: bytes) -> str:
    """A cover as Ogg has it: a FLAC picture block in base64 (RFC 9639, section 8.8; 3 is front)."""
    kind = b"image/png" if cover.startswith(b"\x89PNG") else b"image/jpeg"
    head = struct.pack(">II", 3, len(kind)) + kind + struct.pack(">IIIIII", 0, 0, 0, 0, 0, len(cover))
    return base64.b64encode(head + cover).decode()


def _describe_stems(path: Path, titles: Sequence[str]) -> None:
    """Tell DJ software the names of the stems: JSON in the box moov/udta/stem (Native Instruments).

    The box moov is the last one of the file, so nothing that is pointed at moves.
    """
    names = [*titles, *[""] * (STEMS - len(titles))]
    off = {"compressor": {"enabled": False, "ratio": 3, "output_gain": 0, "release": 0.3, "attack": 0.003, "input_gain": 0}}
    off["compressor"] |= {"threshold": 0, "hp_cutoff": 300, "dry_wet": 50}
    off["limiter"] = {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35}
    stems = [{"name": name, "color": colour} for name, colour in zip(names, COLOURS, strict=True)]
    text = json.dumps({"version": 1, "mastering_dsp": off, "stems": stems}).encode()
    box = struct.pack(">I4s", 8 + len(text), b"stem") + text
    content = path.read_bytes()
    moov = _box(content, b"moov", 0)
    udta = _box(content, b"udta", moov + 8)
    with path.open("r+b") as file:
        for place in (moov, udta):
            file.seek(place)
            file.write(struct.pack(">I", struct.unpack_from(">I", content, place)[0] + len(box)))
        end = udta + struct.unpack_from(">I", content, udta)[0]
        file.seek(end)
        file.write(box + content[end:])


def _box(content: bytes, name: bytes, place: int) -> int:
    """Where a box of this name begins, from `place` on."""
    while place + 8 <= len(content):
        size, found = struct.unpack_from(">I4s", content, place)
        if found == name:
            return place
        place += struct.unpack_from(">Q", content, place + 8)[0] if size == 1 else size or len(content)
    raise ValueError(f"there is no box {name!r}")
