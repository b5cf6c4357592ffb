"""Archives that are not trusted, extracted so that a killed run goes on: zip, tar (gzip or not), and rar by the program bsdtar.

A file gets its name when it is whole, and files that are there are passed over. Nothing is ever written outside the folder:
absolute paths, `..`, links, devices, encrypted files and absurd sizes are refused, in a zip or rar before anything is written.
"""

import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from tqdm import tqdm

from unsung import parallel
from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import FULL, atomically, check_space, remove, room

PIECE = 2**20  # bytes


def extract(archive: Path, folder: Path, compute: Compute, most: int = 2**40) -> None:
    """Extract an archive below `folder`.

    Raises:
        UserError: it is no archive, is damaged, or holds a path that leaves the folder, a link, or more than `most` bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with archive.open("rb") as file:
        start = file.read(4)
    if start == b"Rar!":
        _extract_rar(archive, folder, most)
    elif tarfile.is_tarfile(archive):  # before zip, which may be a tar's last file
        _extract_tar(archive, folder, most)
    elif zipfile.is_zipfile(archive):
        _extract_zip(archive, folder, compute, most)
    else:
        raise UserError(f"{archive} is not a zip, tar or rar file; remove it and run again")


def _refuse(archive: Path, name: str, odd: str) -> None:
    """Raise if a member's name leads out of the folder, or if there is something `odd` about it."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        odd = "which leads out of the folder"
    if odd:
        raise UserError(f"{archive} holds {name!r}, {odd}; it was not extracted")


def _refuse_size(archive: Path, total: int, most: int) -> None:
    if total > most:
        raise UserError(f"{archive} would grow to more than {most / 1e9:.0f} GB; it was not extracted")


def _there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _damaged(archive: Path, error: Exception) -> UserError:
    return UserError(f"{archive} is damaged ({error}); remove it and run again")


def _extract_zip(archive: Path, folder: Path, compute: Compute, most: int) -> None:
    """Looked through first, then all files in parallel."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
    except zipfile.BadZipFile as error:
        raise _damaged(archive, error) from None
    for member in members:
        link, encrypted = stat.S_ISLNK(member.external_attr >> 16), member.flag_bits & 1
        _refuse(archive, member.filename, "which is a link" if link else "which is encrypted" if encrypted else "")
    _refuse_size(archive, sum(member.file_size for member in members), most)
    missing = [member for member in members if not _there(folder / member.filename, member.file_size)]
    check_space(folder, sum(member.file_size for member in missing), archive.name)
    work = partial(_extract_zipped, archive=archive, folder=folder)
    parallel.over(work, [member.filename for member in missing], compute, desc="extract")


def _extract_zipped(name: str, archive: Path, folder: Path) -> None:
    """One file, its CRC checked."""
    try:
        with zipfile.ZipFile(archive) as file, file.open(name) as source:
            _write(source.read, folder / name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise _damaged(archive, error) from None


def _write(read: Callable[[int], bytes], path: Path) -> None:
    """Under a temporary name first."""
    with room(path.parent), atomically(path) as unfinished, unfinished.open("wb") as target:
        while piece := read(PIECE):
            target.write(piece)


def _extract_tar(archive: Path, folder: Path, most: int) -> None:
    """In the order of the archive, for there is no other; each member is looked at before it is written."""
    size, total = archive.stat().st_size, 0
    check_space(folder, size - sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), archive.name)
    try:
        with (
            archive.open("rb") as file,
            tqdm.wrapattr(file, "read", total=size, desc="extract") as watched,
            tarfile.open(fileobj=cast(IO[bytes], watched), mode="r|*") as tar,
        ):
            for member in tar:
                odd = "" if member.isfile() or member.isdir() else "which is a link or a device"
                _refuse(archive, member.name, odd)
                total += member.size
                _refuse_size(archive, total, most)
                if member.isfile() and not _there(folder / member.name, member.size):
                    source = tar.extractfile(member)
                    assert source is not None
                    _write(source.read, folder / member.name)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise _damaged(archive, error) from None


def _extract_rar(archive: Path, folder: Path, most: int) -> None:
    """By bsdtar, as a whole; Python has no reader of rar."""
    if not shutil.which("bsdtar"):
        raise UserError(
            f"{archive} needs the program bsdtar (Debian and Ubuntu: apt install libarchive-tools); install it, run again"
        )
    total = 0
    for line in _bsdtar(archive, "-tvf").splitlines():
        _, _, _, _, size, _, _, _, name = line.split(maxsplit=8)  # as ls -l has it
        _refuse(archive, name, "" if line[0] in "-d" else "which is a link or a device")
        total += int(size)
    _refuse_size(archive, total, most)
    check_space(folder, total, archive.name)
    with atomically(folder / "all") as unfinished:
        unfinished.mkdir()
        _bsdtar(archive, "-xf", "-C", str(unfinished))
    for part in sorted((folder / "all").iterdir()):
        remove(folder / part.name)
        part.replace(folder / part.name)
    remove(folder / "all")


def _bsdtar(archive: Path, what: str, *more: str) -> str:
    done = subprocess.run(["bsdtar", what, str(archive), *more], capture_output=True, text=True, check=False)
    if any(os.strerror(number) in done.stderr for number in FULL):
        raise UserError(f"the disk of {archive.parent} is full; make room and run again")
    if done.returncode:
        raise _damaged(archive, RuntimeError(" ".join(done.stderr.split())))
    return done.stdout
