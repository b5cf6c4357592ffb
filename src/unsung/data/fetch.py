"""Downloads that resume after a lost connection, a kill or a restart.

A download is written to `<name>.partial` and continues there with an HTTP Range request (RFC 9110,
section 14). Only a file with the right checksum gets its name.
"""

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from unsung.config.schema import Compute
from unsung.data.remote import Remote
from unsung.data.unpack import extract
from unsung.errors import UserError
from unsung.files import check_space, move, room, scratch

CHUNK = 2**16  # bytes; an incomplete one is lost
TIMEOUTS = (10, 60)  # seconds to connect, and between two chunks
TEMPORARY = {408, 425, 429, 500, 502, 503, 504}  # a server with such a status may recover


class Interrupted(Exception):
    """The connection ended before the file did."""


class Partial:
    """A file so far, and its hash: read once when a run begins, then updated with each chunk."""

    def __init__(self, path: Path, algorithm: str) -> None:
        self.path = path
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, algorithm)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size

    def begin_anew(self) -> None:
        """Throw away what is there."""
        self.path.write_bytes(b"")
        self.digest = hashlib.new(self.digest.name)


def download(remote: Remote, folder: Path, retries: int = 6, wait: Callable[[float], None] = time.sleep) -> Path:
    """Download a file to `folder`, whole and verified; what was there before is used.

    A lost connection or a temporary error of the server is tried again after 1, 2, 4, ... seconds,
    up to `retries` times without progress.

    Raises:
        UserError: the server refuses the file or cannot be reached, the disk is too small or full,
            or the hash is wrong.
    """
    from requests import RequestException  # here: only the pipeline downloads

    whole, path = folder / remote.name, folder / f"{remote.name}.partial"
    if whole.exists():
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    path.touch()
    check_space(folder, remote.size - path.stat().st_size, remote.name)
    partial, failures = Partial(path, remote.algorithm), 0
    with tqdm(total=remote.size or None, initial=partial.size, desc=remote.name, unit="B", unit_scale=True) as bar:
        while True:
            before = partial.size
            try:
                _resume(remote, partial, bar)
                break
            except (Interrupted, RequestException) as error:
                failures = 0 if partial.size > before else failures + 1
                if failures > retries:
                    raise UserError(f"{remote.url} cannot be fetched ({error}); what came is kept, run again") from None
                wait(2.0 ** max(0, failures - 1))
    if (checksum := f"{remote.algorithm}:{partial.digest.hexdigest()}") != remote.checksum:
        path.unlink()
        raise UserError(f"{remote.url} has checksum {checksum}, not {remote.checksum}; it was removed, run again")
    return path.rename(whole)


def _resume(remote: Remote, partial: Partial, bar: tqdm) -> None:
    """Append what is missing, or begin again where the server does not continue."""
    from requests import get

    have, folder = partial.size, partial.path.parent
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
    with get(remote.url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        status, content_range = response.status_code, response.headers.get("Content-Range", "")
        if status in TEMPORARY:
            raise Interrupted(f"the server says {status}")
        if status == 416 and (whole := re.search(r"/(\d+)$", content_range)):
            if int(whole[1]) == have:
                return  # nothing is missing
            partial.begin_anew()
            raise Interrupted(f"{have} bytes came of {whole[1]}")
        if status not in (200, 206):
            raise UserError(f"{remote.url} is refused: the server says {status} {response.reason}")
        if have and not (status == 206 and content_range.startswith(f"bytes {have}-")):
            partial.begin_anew()
            have = 0
            bar.reset(remote.size or None)
        expected = have + int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        bar.total = expected or bar.total
        check_space(folder, (expected or have) - have, remote.name)
        with partial.path.open("ab") as file:
            for chunk in response.iter_content(CHUNK):
                with room(folder):
                    file.write(chunk)
                partial.digest.update(chunk)
                bar.update(len(chunk))
    if expected is not None and partial.size != expected:
        raise Interrupted(f"{partial.size} of {expected} bytes came")


def bring(remote: Remote, compute: Compute) -> Path:
    """The folder with the archive's files in .scratch/datasets: fetched once for all params.

    It is there as a whole or not at all. Until then the archive and what was extracted are kept, so
    that a killed run goes on.
    """
    place = remote.place
    if not place.exists():
        with scratch("download", remote.checksum[-16:]) as folder:
            if not place.exists():  # another run may have been first
                extract(download(remote, folder), folder / "extracted", compute)
                place.parent.mkdir(exist_ok=True)
                move(folder / "extracted", place)
    return place
