"""Downloads that can be cut off anywhere and go on, and archives that are not trusted.

A download is written to `<name>.partial` and goes on from there with an HTTP Range request (RFC 9110, section 14) after a cut, a
kill or a restart; only a file whose SHA-256 is right gets its name. An archive is looked through before anything is written.
"""

import errno
import hashlib
import shutil
import stat
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import requests
from tqdm import tqdm

from unsung import parallel
from unsung.errors import UserError
from unsung.files import atomically

CHUNK = 2**20  # bytes
TIMEOUTS = (10, 60)  # seconds to connect, and between two pieces
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be better the next time
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Remote:
    """A file on a server, known beforehand. `size` in bytes is for the space it needs; the hash decides."""

    url: str
    sha256: str
    size: int = 0

    @property
    def name(self) -> str:
        """The file's own name."""
        return PurePosixPath(self.url.split("?")[0]).name


class Cut(Exception):
    """The connection ended before the file did."""


class Partial:
    """A file as far as it has come, and the hash of that: what a killed run left is read once, what comes is hashed on its way."""

    def __init__(self, path: Path) -> None:
        self.path, self.digest = path, _hash_so_far(path)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return _size(self.path)

    def begin_anew(self) -> None:
        """Throw away what is there."""
        self.path.unlink()
        self.digest = hashlib.sha256()


def download(remote: Remote, folder: Path, retries: int = 6, wait: Callable[[float], None] = time.sleep) -> Path:
    """Bring a file to `folder`, whole and verified; what was there before is used.

    A cut or a passing trouble of the server is tried again after 1, 2, 4, ... seconds, up to `retries` times without progress.

    Raises:
        UserError: the server refuses the file or cannot be reached, the disk is too small or full, or the hash is wrong.
    """
    whole, partial_file = folder / remote.name, folder / f"{remote.name}.partial"
    if whole.exists():
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(folder, remote.size - _size(partial_file), remote.name)
    found, failures = Partial(partial_file), 0
    with tqdm(total=remote.size or None, initial=found.size, desc=remote.name, unit="B", unit_scale=True) as bar:
        while True:
            before = found.size
            try:
                _go_on(remote, found, bar)
                break
            except (Cut, requests.RequestException) as error:
                failures = 0 if found.size > before else failures + 1
                if failures > retries:
                    raise UserError(f"{remote.url} cannot be fetched ({error}); what came is kept, run again") from None
                wait(2.0 ** max(0, failures - 1))
    if (sha256 := found.digest.hexdigest()) != remote.sha256:
        partial_file.unlink()
        raise UserError(f"{remote.url} has SHA-256 {sha256}, not {remote.sha256}; it was removed, run again")
    return partial_file.rename(whole)


def _go_on(remote: Remote, found: Partial, bar: tqdm) -> None:
    """Append what is missing. Begins anew where the server does not continue."""
    have, path = found.size, found.path
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        if response.status_code in PASSING:
            raise Cut(f"the server says {response.status_code}")
        if response.status_code == 416 and response.headers.get("Content-Range", "").endswith(f"/{have}"):
            return  # nothing is missing
        if response.status_code not in (200, 206):
            raise UserError(f"{remote.url} is refused: the server says {response.status_code} {response.reason}")
        if have and not _continues(response, have):
            found.begin_anew()
            have = 0
            bar.reset(remote.size or None)
        expected = have + int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        bar.total = expected or bar.total
        _check_space(path.parent, (expected or have) - have, remote.name)
        with path.open("ab") as file:
            for piece in response.iter_content(CHUNK):
                _write(file.write, piece, path)
                found.digest.update(piece)
                bar.update(len(piece))
    if expected is not None and found.size != expected:
        raise Cut(f"{found.size} of {expected} bytes came")


def _continues(response: requests.Response, have: int) -> bool:
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _write(write: Callable[[bytes], object], piece: bytes, path: Path) -> None:
    try:
        write(piece)
    except OSError as error:
        if error.errno in FULL:
            raise UserError(f"the disk of {path.parent} is full; make room and run again, what came is kept") from None
        raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _hash_so_far(path: Path) -> "hashlib._Hash":
    if not path.exists():
        return hashlib.sha256()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _check_space(folder: Path, needed: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{name} needs {needed / 1e9:.1f} GB more, {folder} has {free / 1e9:.1f} GB; make room and run again")


def extract(archive: Path, folder: Path, workers: int, most: int = 2**40) -> None:
    """Extract a zip below `folder`; files that are there whole are passed over, so an interrupted run goes on.

    Raises:
        UserError: it is not a zip, or it holds a path that leaves the folder, a link, an encrypted file, or more than `most` bytes.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
    except zipfile.BadZipFile:
        raise UserError(f"{archive} is not a zip; remove it and run again") from None
    for member in members:
        if problem := _problem(member):
            raise UserError(f"{archive} holds {member.filename!r}, {problem}; nothing was extracted")
    if (total := sum(member.file_size for member in members)) > most:
        raise UserError(f"{archive} would grow to {total / 1e9:.0f} GB, more than {most / 1e9:.0f} GB; nothing was extracted")
    missing = [m.filename for m in members if _size(folder / m.filename) != m.file_size or not (folder / m.filename).exists()]
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(folder, sum(member.file_size for member in members if member.filename in set(missing)), archive.name)
    parallel.over(partial(_extract_one, archive=archive, folder=folder), missing, workers, desc="extract")


def _problem(member: zipfile.ZipInfo) -> str:
    """What is wrong with a member, or nothing."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return "which leads out of the folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "which is a link"
    if member.flag_bits & 1:
        return "which is encrypted"
    return ""


def _extract_one(name: str, archive: Path, folder: Path) -> None:
    """One file under a temporary name, its CRC checked, and then its own."""
    try:
        with (
            zipfile.ZipFile(archive) as file,
            file.open(name) as source,
            atomically(folder / name) as unfinished,
            unfinished.open("wb") as target,
        ):
            while piece := source.read(CHUNK):
                _write(target.write, piece, folder / name)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive} is damaged at {name} ({error}); remove it and run again") from None
