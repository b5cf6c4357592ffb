"""Faults of the songs themselves: cut, damaged, put together, odd, or not songs at all."""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.faults.fault import Fault
from tests.faults.runner import Done
from tests.sounds import APE, ID3, ID3V1, noise, write

BOTH = ("out/a/vocals.flac", "out/a/accompaniment.flac")
GET = "get the file anew"
Change = Callable[[bytes], bytes]


def twice(data: bytes) -> bytes:
    return data + data


def half(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def but(count: int) -> Change:
    """All bytes but the last few."""
    return lambda data: data[:-count]


def first(count: int) -> Change:
    """The first few bytes."""
    return lambda data: data[:count]


def between(before: bytes = b"", behind: bytes = b"") -> Change:
    """More bytes before and behind."""
    return lambda data: before + data + behind


def at(place: int, new: bytes) -> Change:
    """Other bytes at a place."""
    return lambda data: data[:place] + new + data[place + len(new) :]


def damaged(data: bytes) -> bytes:
    """Twenty bytes in the middle are others."""
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0x5A for byte in data[middle : middle + 20]) + data[middle + 20 :]


def streamed(size: int) -> Change:
    """The sizes of a WAV file are what a program writes into a pipe."""
    field = struct.pack("<I", size)
    return lambda data: at(4, field)(at(40, field)(data))


def no_total(data: bytes) -> bytes:
    """A FLAC file that does not state its length."""
    return at(21, bytes([data[21] & 0xF0]) + bytes(4))(data)


def song(kind: str, change: Change = bytes, name: str = "") -> Callable[[Path], int]:
    """Make the file a.KIND, changed."""

    def make(here: Path) -> int:
        made = write(here / "made", kind, noise(1.5))
        content = change(made.read_bytes())
        made.unlink()
        return (here / (name or f"a.{kind.split('.')[-1]}")).write_bytes(content)

    return make


def told(what: str, kind: str, change: Change, says: str) -> Fault:
    """A song that is refused."""
    return Fault(what, f"separate a.{kind.split('.')[-1]} -m models/tiny", says, make=song(kind, change), absent=("out/a",))


def read(what: str, kind: str, change: Change = bytes, frames: int = 12_000, rate: int = 8000, says: str = "") -> Fault:
    """A song that is separated, all of it."""

    def as_long(here: Path, done: Done) -> None:
        with soundfile.SoundFile(here / BOTH[0]) as file:
            assert (file.frames, file.samplerate) == (frames, rate), f"{file.frames} frames, {file.samplerate} Hz"

    command = f"separate a.{kind.split('.')[-1]} -m models/tiny"
    return Fault(what, command, says or "accompaniment.flac", code=0, make=song(kind, change), whole=BOTH, after=as_long)


def varied(what: str, bit_rates: tuple[int, ...]) -> Fault:
    """An mp3 that states no length and whose bitrate changes."""

    def make(here: Path) -> int:
        parts = [write(here / "a.mp3", "headerless.mp3", noise(), bit_rate=rate).read_bytes() for rate in bit_rates]
        return (here / "a.mp3").write_bytes(b"".join(parts))

    def whole(here: Path, done: Done) -> None:
        assert abs(soundfile.info(here / BOTH[0]).frames - 32_000) < 4000

    return Fault(what, "separate a.mp3 -m models/tiny", "accompaniment.flac", 0, make, whole=BOTH, after=whole)


def bytes_of(name: str, content: bytes, says: str, what: str) -> Fault:
    """What is no song."""
    return Fault(what, f"separate {name} -m models/tiny", says, make=lambda here: (here / name).write_bytes(content))


def wav(rate: int, channels: int, frames: int = 100, form: int = 1, bits: int = 16) -> bytes:
    """A WAV file with such a header."""
    size = frames * channels * bits // 8
    fmt = struct.pack("<IHHIIHH", 16, form, channels, rate, min(rate * channels * bits // 8, 2**32 - 1), channels * bits // 8, bits)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size) + bytes(size)


def odd(what: str, content: bytes, says: str = "accompaniment.flac", code: int = 0) -> Fault:
    """A WAV file with an odd header."""
    make = lambda here: (here / "a.wav").write_bytes(content)  # noqa: E731
    return Fault(what, "separate a.wav -m models/tiny", says, code, make, whole=() if code else BOTH)


def kept(what: str, subtype: str, form: str = "WAV") -> Fault:
    """An encoding of samples that is read."""
    make = lambda here: soundfile.write(here / "a.wav", noise(1), 8000, subtype, format=form)  # noqa: E731
    return Fault(what, "separate a.wav -m models/tiny", "accompaniment.flac", 0, make, whole=BOTH)


def named(what: str, name: bytes, kind: str = "wav") -> Fault:
    """A song with such a name."""

    def make(here: Path) -> None:
        song(kind, name=os.fsdecode(name))(here)

    def there(here: Path, done: Done) -> None:
        assert len(list((here / "out").glob("*/vocals.flac"))) == 1

    arguments = (b"separate", name, b"-m", b"models/tiny")
    return Fault(what, "", "", 0, make, after=there, arguments=arguments)


def place(what: str, name: str, says: str, make: Callable[[Path], object] = lambda here: None) -> Fault:
    """A path that is no file."""
    return Fault(what, "", says, make=make, arguments=("separate", name, "-m", "models/tiny"))


def bind(here: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(here / "a.wav"))


def wrong_samples(value: float) -> Callable[[Path], None]:
    """A float WAV with such a sample."""

    def make(here: Path) -> None:
        samples = noise()
        samples[777] = value
        soundfile.write(here / "a.wav", samples, 8000, "FLOAT")

    return make


def stems(cut: tuple[str, ...], kind: str = "wav", change: Change = half) -> Callable[[Path], None]:
    """References and estimates of two tracks; some files are changed."""

    def make(here: Path) -> None:
        for seed, name in enumerate(("one", "two")):
            for folder in ("references", "estimates"):
                for stem in ("vocals", "accompaniment"):
                    path = here / folder / name / f"{stem}.{kind}"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write(path, kind, noise(2, seed=2 * seed + (stem == "vocals")))
        for pattern in cut:
            for path in here.glob(f"{pattern}.{kind}"):
                path.write_bytes(change(path.read_bytes()))

    return make


def joined(kind: str, *forms: tuple[int, int]) -> Callable[[Path], int]:
    """Files of other rates and channels, one behind the other."""

    def make(here: Path) -> int:
        path = here / f"a.{kind}"
        parts = [write(path, kind, noise(1, channels=channels), rate).read_bytes() for rate, channels in forms]
        return path.write_bytes(b"".join(parts))

    return make


def last_page(data: bytes) -> bytes:
    """An Ogg file without its last page."""
    return data[: data.rindex(b"OggS")]


CUT, DAMAGED, ENDS = "is cut short", "is damaged at byte", "ends after"
SCORE = "score references estimates --workers 1"
NOT_AUDIO = "is not audio that can be read"
FAULTS = [
    told("a WAV that lacks its last half", "wav", half, CUT),
    told("a WAV that lacks its last byte", "wav", but(1), CUT),
    told("a WAV that ends within its header", "wav", first(30), CUT),
    told("an RF64 file that is cut", "rf64", half, CUT),
    told("an AIFF that is cut", "aiff", half, CUT),
    told("a FLAC that is cut", "flac", half, "cannot be read to its end"),
    told("an Ogg Vorbis that is cut", "ogg", half, CUT),
    told("an Ogg Opus that is cut", "opus", half, CUT),
    told("an mp3 with a header that is cut", "mp3", half, ENDS),
    told("an mp3 of FFmpeg that is cut", "xing.mp3", half, ENDS),
    told("an m4a that is cut", "m4a", half, CUT),
    told("an MP4 in fragments that is cut", "fragments.mp4", half, CUT),
    told("a WebM that is cut", "webm", half, CUT),
    told("an aac that is cut within a frame", "aac", half, "cannot be read to its end"),
    read("an Ogg without its last page: no end-of-stream flag", "ogg", last_page, 6144, says="it may be cut short"),
    read("half an mp3 that states no length", "headerless.mp3", half, 6912),
    read("half a WAV from a pipe", "wav", lambda data: streamed(2**32 - 1)(data)[: 44 + 24_000], 6000),
    told("a FLAC with bytes changed", "flac", damaged, GET),
    told("an Ogg Vorbis with bytes changed", "ogg", damaged, DAMAGED),
    told("an m4a with bytes changed", "m4a", damaged, "cannot be read to its end"),
    told("two FLACs in one", "flac", twice, "is two files, one behind the other"),
    told("two WAVs in one", "wav", twice, "is two files, one behind the other"),
    told("two m4as in one", "m4a", twice, "is two files, one behind the other"),
    read("two Oggs in one", "ogg", twice, 24_000),
    Fault(
        "two Oggs of different channels in one",
        "separate a.ogg -m models/tiny",
        "of different sample rates",
        make=joined("ogg", (8000, 2), (8000, 1)),
    ),
    read("two mp3s in one", "mp3", twice, 25_967),
    read("two mp3s without headers in one", "headerless.mp3", twice, 26_496),
    Fault(
        "an aac whose rate changes",
        "separate a.aac -m models/tiny",
        "changes from 8000 Hz",
        make=joined("aac", (8000, 2), (16_000, 2)),
    ),
    *(read(f"a WAV from a pipe, its size {size:#x}", "wav", streamed(size)) for size in (0, 2**32 - 1)),
    read("a FLAC from a pipe", "flac", no_total),
    read("a WebM as it was recorded live", "live.webm", frames=72_000, rate=48_000),
    read("an mp3 without a header", "headerless.mp3", frames=13_248),
    varied("an mp3 without a header whose bitrate rises", (8000, 64_000)),
    read("an mp3 with bytes changed: a bad frame plays everywhere", "mp3", damaged),
    read("a WAV with chunks behind its samples", "wav", between(behind=b"LIST\x04\0\0\0INFO")),
    read("a WAV with junk behind its samples", "wav", between(behind=b"anything")),
    read("an mp3 with an ID3v2 tag", "mp3", between(ID3)),
    read("an mp3 with an APE and an ID3v1 tag", "mp3", between(behind=APE + ID3V1)),
    read("an mp3 with zeros before it", "mp3", between(bytes(999))),
    read("an mp3 with a page of words behind it", "mp3", between(behind=b"more words " * 400)),
    read("an mp3 without a header, with tags", "headerless.mp3", between(ID3, APE + ID3V1), 13_248),
    read("a FLAC with an ID3v2 tag", "flac", between(ID3)),
    read("a FLAC with an ID3v1 tag", "flac", between(behind=ID3V1)),
    read("an Ogg with an ID3v1 tag", "ogg", between(behind=ID3V1)),
    read("an aac with tags", "aac", between(ID3, ID3V1), 13_312),
    bytes_of("a.wav", b"", "a.wav is empty; remove it", "an empty file"),
    bytes_of("a.wav", bytes(5000), NOT_AUDIO, "zeros"),
    bytes_of("a.wav", b"these are words", NOT_AUDIO, "words"),
    bytes_of("a.mp3", b"<!DOCTYPE html><html><title>404</title></html>" * 50, NOT_AUDIO, "a web page called mp3"),
    bytes_of("a.flac", b"fLaC", NOT_AUDIO, "four letters of a FLAC"),
    bytes_of("a.ogg", b"OggS", "is cut short", "four letters of an Ogg"),
    bytes_of("a.mp3", np.random.default_rng(0).bytes(20_000), "is not audio", "random bytes called mp3"),
    bytes_of("a.mp3", b"#EXTM3U\n#EXTINF:2,\nsong.wav\n#EXT-X-ENDLIST\n", "is not audio", "a playlist called mp3"),
    bytes_of("a.m3u8", b"#EXTM3U\n#EXTINF:2,\nsong.wav\n#EXT-X-ENDLIST\n", "is not audio", "a playlist"),
    bytes_of("a.ffconcat", b"ffconcat version 1.0\nfile song.wav\n", "is a list of files", "a list of files for FFmpeg"),
    bytes_of("a.raw", bytes(range(256)) * 100, "a.raw", "a name that ends in .raw"),
    Fault("a picture", "separate a.png -m models/tiny", "has no audio in it", make=lambda here: picture(here / "a.png")),
    odd("a WAV of no channels", wav(8000, 0), "cannot be read", 1),
    odd("a WAV of 0 Hz", wav(0, 1), NOT_AUDIO, 1),
    odd("a WAV of 2000 channels", wav(8000, 2000), "a.wav", 1),
    odd("a WAV of no frames", wav(8000, 2, 0), "is empty", 1),
    odd("a WAV of an unknown encoding", wav(8000, 2, form=0x7777), "a.wav", 1),
    kept("a WAV of 8 bits", "PCM_U8"),
    kept("a WAV of 64-bit floats", "DOUBLE"),
    kept("a mu-law WAV", "ULAW"),
    kept("an IMA ADPCM WAV", "IMA_ADPCM"),
    kept("a CAF called WAV", "PCM_16", "CAF"),
    Fault("a WAV with NaN", "separate a.wav -m models/tiny", "has NaN or infinite samples", make=wrong_samples(np.nan)),
    Fault("a WAV called mp3", "separate a.mp3 -m models/tiny", "accompaniment.flac", 0, song("wav", name="a.mp3"), whole=BOTH),
    Fault("an m4a called mp3", "separate a.mp3 -m models/tiny", "accompaniment.flac", 0, song("m4a", name="a.mp3"), whole=BOTH),
    Fault("an mp3 called WAV", "separate a.wav -m models/tiny", "accompaniment.flac", 0, song("mp3", name="a.wav"), whole=BOTH),
    Fault("an mp3 without an ending", "separate a -m models/tiny", "accompaniment.flac", 0, song("mp3", name="a"), whole=BOTH),
    place("a pipe", "a.wav", "a.wav is a pipe, not a file", lambda here: os.mkfifo(here / "a.wav")),
    place("a socket", "a.wav", "a.wav is a socket, not a file", bind),
    place("a device", "/dev/zero", "/dev/zero is a device, not a file"),
    place("a folder without songs", "models", "models has no songs in it"),
    place("standard input", "-", "- is not a file"),
    place("an empty path", "", "a song has an empty name"),
    place("a broken link", "a.wav", "a.wav is a link to what is not there", lambda here: (here / "a.wav").symlink_to("b.wav")),
    place("a link to itself", "a.wav", "cannot be read (too many levels", lambda here: (here / "a.wav").symlink_to("a.wav")),
    place("a file below a file", "song.wav/a.wav", "song.wav/a.wav cannot be read (not a directory)"),
    place("a name that is too long", "x" * 300, "cannot be read (file name too long)"),
    place(
        "a file that may not be read", "a.wav", "a.wav cannot be read (permission denied)", lambda here: forbidden(here / "a.wav")
    ),
    place("a file in a folder that may not be entered", "b/a.wav", "cannot be read (permission denied)", lambda here: locked(here)),
    named("a name that is not Unicode's", b"\xff\xfe.wav"),
    named("a name that is not Unicode's, for FFmpeg", b"\xff\xfe.m4a", "m4a"),
    named("a name of two lines", b"a\nb.wav"),
    named("a name that begins as an address", b"http:song.m4a", "m4a"),
    named("a name with a pattern", b"song %03d.m4a", "m4a"),
    Fault("scoring: all WAVs are cut alike", SCORE, CUT, make=stems(("*/*/*",))),
    Fault("scoring: all stems of a track are cut alike", SCORE, "cannot be read to its end", make=stems(("*/two/*",), "flac")),
    Fault("scoring: an mp3 estimate is cut", SCORE, ENDS, make=stems(("estimates/two/vocals",), "mp3")),
    Fault("scoring: a reference is damaged", SCORE, DAMAGED, make=stems(("references/one/vocals",), "ogg", damaged)),
]


def picture(path: Path) -> None:
    """A small PNG."""
    from PIL import Image

    Image.new("RGB", (8, 8)).save(path, "PNG")


def forbidden(path: Path) -> None:
    """A song that its owner may not read."""
    song("wav", name=path.name)(path.parent)
    path.chmod(0)


def locked(here: Path) -> None:
    """A folder that its owner may not enter."""
    (here / "b").mkdir()
    (here / "b").chmod(0)
