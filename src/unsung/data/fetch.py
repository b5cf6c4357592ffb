"""Downloads that can be cut off anywhere and go on.

A download is written to `<name>.partial` and goes on from there with an HTTP Range request (RFC 9110, section 14) after a cut, a
kill or a restart; only a file whose checksum is right gets its name.
"""

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import requests
from tqdm import tqdm

from unsung.config.schema import Compute
from unsung.data.remote import Remote
from unsung.data.unpack import extract
from unsung.errors import UserError
from unsung.files import check_space, move, room, scratch

CHUNK = 2**16  # bytes; what came of one that is cut is lost
TIMEOUTS = (10, 60)  # seconds to connect, and between two pieces
PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be better the next time


class Cut(Exception):
    """The connection ended before the file did."""


class Partial:
    """A file as far as it has come, and the hash of that: what a killed run left is read once, what comes is hashed on its way."""

    def __init__(self, path: Path, algorithm: str) -> None:
        self.path, self.algorithm, self.digest = path, algorithm, _hash_so_far(path, algorithm)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return _size(self.path)

    def begin_anew(self) -> None:
        """Throw away what is there."""
        self.path.unlink()
        self.digest = hashlib.new(self.algorithm)


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
    check_space(folder, remote.size - _size(partial_file), remote.name)
    found, failures = Partial(partial_file, remote.algorithm), 0
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
    if (checksum := f"{remote.algorithm}:{found.digest.hexdigest()}") != remote.checksum:
        partial_file.unlink()
        raise UserError(f"{remote.url} has checksum {checksum}, not {remote.checksum}; it was removed, run again")
    return partial_file.rename(whole)


def _go_on(remote: Remote, found: Partial, bar: tqdm) -> None:
    """Append what is missing. Begins anew where the server does not continue."""
    have, path = found.size, found.path
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        if response.status_code in PASSING:
            raise Cut(f"the server says {response.status_code}")
        if response.status_code == 416 and (whole := re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))):
            if int(whole[1]) == have:
                return  # nothing is missing
            found.begin_anew()
            raise Cut(f"{have} bytes came of {whole[1]}")
        if response.status_code not in (200, 206):
            raise UserError(f"{remote.url} is refused: the server says {response.status_code} {response.reason}")
        if have and not _continues(response, have):
            found.begin_anew()
            have = 0
            bar.reset(remote.size or None)
        expected = have + int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        bar.total = expected or bar.total
        check_space(path.parent, (expected or have) - have, remote.name)
        with path.open("ab") as file:
            for piece in response.iter_content(CHUNK):
                with room(path.parent):
                    file.write(piece)
                found.digest.update(piece)
                bar.update(len(piece))
    if expected is not None and found.size != expected:
        raise Cut(f"{found.size} of {expected} bytes came")


def _continues(response: requests.Response, have: int) -> bool:
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _hash_so_far(path: Path, algorithm: str) -> "hashlib._Hash":
    if not path.exists():
        return hashlib.new(algorithm)
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm)


def bring(remote: Remote, compute: Compute) -> Path:
    """The folder with the archive's files, which stays in .scratch/datasets: fetched once, whatever params or code change later.

    It is there as a whole or not at all; until then the archive and what was extracted are kept, so that a killed run goes on.
    """
    place = remote.place
    if not place.exists():
        with scratch("download", remote.checksum[-16:]) as folder:
            if not place.exists():  # another run may have been first
                extract(download(remote, folder), folder / "extracted", compute)
                place.parent.mkdir(exist_ok=True)
                move(folder / "extracted", place)
    return place
