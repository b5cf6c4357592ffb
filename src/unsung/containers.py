"""What the container of an audio file states: whether all of it is there, and whether more follows.

libsndfile and FFmpeg read half a file as a whole one that is shorter. Only a length that is stated
counts here: a program that writes to a pipe leaves 0 or a very high number in its place.
"""

import os
import re
import stat
import zlib
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from unsung.errors import UserError

KINDS = {stat.S_ISDIR: "folder", stat.S_ISFIFO: "pipe", stat.S_ISSOCK: "socket", stat.S_ISCHR: "device", stat.S_ISBLK: "device"}
LITTLE, BIG = {b"RIFF", b"RF64", b"BW64"}, {b"RIFX", b"FORM"}
WANTED = {b"WAVE": {b"fmt ", b"data"}, b"AIFF": {b"COMM", b"SSND"}, b"AIFC": {b"COMM", b"SSND"}}
BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"meta", b"sidx", b"mfra", b"styp"}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
BEGINS, ENDS = 2, 4  # flags of Ogg pages
FRAME = re.compile(rb"(?s)\xff([\xe2\xe3\xf2\xf3\xfa\xfb])[\x10-\xef].")  # the header of one of an mp3
STATED = re.compile(FRAME.pattern + rb"(?:(?:.{9}|.{17}|.{32})(?:Xing|Info)|.{32}(VBRI).{6})")


@dataclass(frozen=True)
class Container:
    """What is known of a file before it is decoded."""

    kind: Literal["mp3", "flac", ""] = ""
    sized: bool = True  # whether libsndfile, if it can read the file, reads it to its end
    frames: int = 0  # samples that an mp3 states; 0: none are stated
    cut: bool = False  # whether an mp3 has fewer bytes than it states
    links: tuple[int, ...] = (0,)  # where each of several Ogg files begins that were put together
    ended: bool = True  # whether each of them has an end-of-stream flag


def inspect(path: Path) -> Container:
    """Look at a file from outside.

    Raises:
        UserError: it is not there, not a file, may not be read; is empty, cut, damaged, two files.
    """
    with opened(path) as file:
        size, head = os.fstat(file.fileno()).st_size, file.read(12)
        if not size:
            raise UserError(f"{path} is empty; remove it")
        while head[:3] == b"ID3" and len(head) == 12:
            file.seek(sum((byte & 127) << 7 * (3 - i) for i, byte in enumerate(head[6:10])) + 10 * bool(head[5] & 16) - 2, 1)
            head = file.read(12)
        file.seek(-len(head), 1)
        if head[:4] in LITTLE | BIG and head[8:] in WANTED:
            return _iff(path, file, size)
        if head[:4] == b"OggS":
            return _ogg(path, file)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska(path, file, size)
        if head[4:8] in BOXES:
            return _boxes(path, file, size)
        if head[:4] == b"fLaC":
            return Container("flac")
        if (head[:1] == b"\xff" and head[1:2] > b"\xe0" and head[1] & 6) or path.suffix.lower() == ".mp3":
            return _mp3(file, size)
    return Container()


def opened(path: Path) -> BufferedReader:
    """Open a file to read its bytes. What is not a file is not opened, because that may wait.

    Raises:
        UserError: it is not there, not a file, or may not be read.
    """
    try:
        mode = path.stat().st_mode
        if kind := next((kind for is_kind, kind in KINDS.items() if is_kind(mode)), ""):
            raise UserError(f"{path} is a {kind}, not a file; give a file")
        return open(os.fsencode(path), "rb")  # noqa: PTH123 PyAV cannot take any str for a name
    except FileNotFoundError:
        what = "is a link to what is not there; mend the link" if path.is_symlink() else "is not a file; mend the path"
        raise UserError(f"{path} {what}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({(error.strerror or str(error)).lower()}); mend that or the path") from None


def check_alone(path: Path) -> None:
    """Refuse a FLAC file behind which there is another one; all its bytes are read."""
    beginning, found, before = b"fLaC\0\0\0\x22", 0, b""
    with opened(path) as file:
        while block := file.read(2**20):
            block = before + block
            found += block.count(beginning)
            before = block[-len(beginning) + 1 :]
    if found > 1:
        _refuse_two(path)


def _iff(path: Path, file: BinaryIO, size: int) -> Container:
    """The chunks of WAV and AIFF: four letters, a size. Those behind the samples may be cut."""
    start = file.tell()
    magic, whole, form = file.read(4), file.read(4), file.read(4)
    left = set(WANTED[form])
    order: Literal["little", "big"] = "little" if magic in LITTLE else "big"
    total, wide = int.from_bytes(whole, order), 0
    unknown = _unknown(total)
    start += 12
    while start < size - 7:
        file.seek(start)
        name, length = file.read(4), int.from_bytes(file.read(4), order)
        if name == b"ds64":  # sizes that 32 bits cannot hold
            total, wide = (int.from_bytes(file.read(8), order) for _ in range(2))
            unknown = not total
        if name == magic:
            _refuse_two(path)
        length = wide or length if name == b"data" and length == 2**32 - 1 else length
        if name in (b"data", b"SSND") and (_unknown(length) if length else unknown) and size < start + 2**31 - 2**13:
            return Container(sized=length > 0 or name == b"SSND")
        if name in left and start + 8 + length > size:
            _refuse_cut(path, size, start + 8 + length)
        left.discard(name)
        start += 8 + length + length % 2
    if left and not unknown and total + 8 > size:
        _refuse_cut(path, size, total + 8)
    return Container()


def _unknown(length: int) -> bool:
    """Whether a size is what programs write that cannot know it yet."""
    return length == 0 or abs(length - 2**31) <= 4096 or 2**32 - 4096 <= length < 2**32


def _boxes(path: Path, file: BinaryIO, size: int) -> Container:
    """The boxes of an MP4 file: a size, four letters."""
    start, last = 0, b""
    while start < size - 7:
        file.seek(start)
        length, name = int.from_bytes(file.read(4)), file.read(4)
        length = int.from_bytes(file.read(8)) if length == 1 else length or size - start
        if name not in BOXES or length < 8:  # not ours, or junk
            break
        if name == b"ftyp" and last:
            _refuse_two(path)
        start, last = start + length, name
    start += 8 * (last == b"moof")  # the header of a fragment: its samples follow
    if start > size:
        _refuse_cut(path, size, start)
    return Container()


def _matroska(path: Path, file: BinaryIO, size: int) -> Container:
    """Matroska and WebM: a header, and a segment, whose size is unknown if it was recorded live."""
    file.seek(4, 1)
    header = _ebml_size(file) or 0
    file.seek(min(file.tell() + header, size))
    if file.read(4) == b"\x18\x53\x80\x67" and (length := _ebml_size(file)) is not None and file.tell() + length > size:
        _refuse_cut(path, size, file.tell() + length)
    return Container()


def _ebml_size(file: BinaryIO) -> int | None:
    """A size of one to eight bytes; None if it is unknown."""
    first = (file.read(1) or b"\0")[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & 127 >> more]) + file.read(more))
    return None if value == 2 ** (7 * (more + 1)) - 1 else value


def _ogg(path: Path, file: BinaryIO) -> Container:
    """The pages of an Ogg file. Each has a checksum and a number; some begin or end a stream."""
    start, links, ended, beginning = file.tell(), list[int](), list[bool](), False
    numbers: dict[bytes, int] = {}  # of the last page with samples, of each stream
    while header := file.read(27):
        if header[:4] != b"OggS"[: len(header)]:
            rest = header + file.read()
            if (more := rest.find(b"OggS")) < 0:
                break  # a tag, or zeros
            if not int.from_bytes(rest[more + 5 : more + 6]) & BEGINS:
                _refuse_damaged(path, start)
            start += more
            file.seek(start)
            continue
        table = file.read(header[-1]) if len(header) == 27 else b""
        body = file.read(sum(table))
        if len(header) < 27 or len(table) < header[-1] or len(body) < sum(table):
            raise UserError(f"{path} is cut short in its last page, at byte {start:,}; get the file anew")
        page, serial, number = header + table + body, header[14:18], int.from_bytes(header[18:22], "little")
        if begins := bool(header[5] & BEGINS):
            numbers.pop(serial, None)
            links, ended = (links, ended) if beginning else ([*links, start], [*ended, False])
        if _checksum(page) != header[22:26] or numbers.get(serial, number - 1) != number - 1:
            _refuse_damaged(path, start)
        if any(header[6:14]):  # a stream that was recorded from its middle has a gap behind its header
            numbers[serial] = number
        beginning = begins
        ended[-1:] = [any(ended[-1:]) or bool(header[5] & ENDS)]
        start += len(page)
    return Container(links=tuple(links), ended=all(ended))


def _checksum(page: bytes) -> bytes:
    """As zlib's, with all bits the other way round, and other beginnings and ends."""
    reversed_page = (page[:22] + bytes(4) + page[26:]).translate(REVERSED)
    return (zlib.crc32(reversed_page, 2**32 - 1) ^ (2**32 - 1)).to_bytes(4).translate(REVERSED)


def _mp3(file: BinaryIO, size: int) -> Container:
    """Frames. The first may state how many there are and their bytes (Xing, Info, VBRI)."""
    start = file.tell()
    head = file.read(2**16)
    if not (match := STATED.search(head)):
        return Container("mp3", sized=False)
    values = [int.from_bytes(head[i : i + 4]) for i in range(match.end(), match.end() + 12, 4)]
    samples = 1152 if match[1][0] & 8 else 576
    if match[2]:  # libsndfile does not know VBRI
        return Container("mp3", sized=False, frames=values[2] * samples)
    flags = values.pop(0)
    frames = values.pop(0) * samples if flags & 1 else 0
    length = values.pop(0) if flags & 2 else 0
    if flags & 15 == 15:  # what the encoder put before and behind the song: 12 bits each
        padding = int.from_bytes(head[match.end() + 137 : match.end() + 140])
        frames -= (padding >> 12) + (padding & 4095)
    end = start + match.start() + length
    file.seek(end)
    sized = bool(frames and length) and end <= size and _only_tags(file.read(2**22))
    return Container("mp3", sized, max(0, frames), cut=end > size)


def _only_tags(rest: bytes) -> bool:
    """Whether no frame is in what follows: tags, zeros."""
    if rest.startswith(b"APETAGEX"):  # with a picture perhaps, in which there may be anything
        rest = rest[int.from_bytes(rest[12:16], "little") + 32 :]
    return not FRAME.search(rest)


def _refuse_cut(path: Path, size: int, stated: int) -> NoReturn:
    raise UserError(f"{path} is cut short: it has {size:,} of the {stated:,} bytes that it announces; get the file anew")


def _refuse_damaged(path: Path, start: int) -> NoReturn:
    raise UserError(f"{path} is damaged at byte {start:,}; get the file anew")


def _refuse_two(path: Path) -> NoReturn:
    raise UserError(f"{path} is two files, one behind the other; take them apart")
