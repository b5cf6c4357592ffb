"""Files that are written whole or not at all, disk space, fingerprints, scratch folders."""

import ctypes
import errno
import glob
import hashlib
import itertools
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unsung.errors import UserError

MAX_NAME_BYTES = 200  # leaves room for an ending
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_numbers = itertools.count()  # of temporary names


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what is written there replaces `path` if all went well.

    After an error or a kill the old file is still there. An old folder may be gone after a kill. A
    file keeps its permissions. A link to a file stays, and the file that it leads to is replaced. A
    device, a pipe or an open file such as /dev/stdout is written to, in the end.

    Raises:
        OSError: it cannot be written; the error names `path`, not the temporary name.
    """
    if _is_stream(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, "whole")
            with _naming(path, any_error=True):
                _pour(Path(folder, "whole"), path)
        return
    target, old = _place(path)
    partial = _partial(target)
    with _naming(path, partial):
        try:
            yield partial
            if partial.is_dir():
                put_in_place(partial, target)
            else:
                if old and stat.S_ISREG(old.st_mode):
                    partial.chmod(stat.S_IMODE(old.st_mode))
                partial.replace(target)
        except BaseException:
            with suppress(OSError):
                remove(partial)
            raise


def check_place(path: Path) -> bool:
    """Try whether a file can be written to `path`, before work that would be lost otherwise.

    Returns whether this would replace a file.

    Raises:
        OSError: it cannot, or a file is there that may only be read.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if _is_stream(path):
        return False
    target, old = _place(path)
    partial = _partial(target)
    with _naming(path, partial):
        partial.touch()
        partial.unlink()
    return old is not None


def is_stdout(path: Path) -> bool:
    """Whether what is written to `path` goes where the program prints."""
    try:
        return os.path.samestat(path.stat(), os.fstat(1))
    except OSError:
        return False


def _place(path: Path) -> tuple[Path, os.stat_result | None]:
    """Where a file or folder is written, and what is there. Links to files are followed.

    A link to a file that may only be read is not, because DVC links to its cache like that.
    """
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    if path.is_symlink() and (not old or (stat.S_ISREG(old.st_mode) and old.st_mode & 0o222)):
        return Path(os.path.realpath(path)), old
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, old


def _partial(target: Path) -> Path:
    """A name beside `target` that no other process takes; what killed processes left is removed."""
    name = target.name if len(os.fsencode(target.name)) < MAX_NAME_BYTES else fingerprint(target.name)
    host = fingerprint(platform.node())[:6]
    for left in target.parent.glob(f".{glob.escape(name)}.{host}-*.partial"):
        process = left.name.removeprefix(f".{name}.{host}-").split("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                remove(left)
    return target.with_name(f".{name}.{host}-{os.getpid()}-{next(_numbers)}.partial")


def _runs(process: int) -> bool:
    import psutil  # here: it is needed after a kill only

    return psutil.pid_exists(process)


@contextmanager
def _naming(path: Path, partial: Path | None = None, any_error: bool = False) -> Iterator[None]:
    """Let an OSError name `path` where it names `partial`, or nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and (any_error or error.errno in DISK_FULL):
            error.filename = str(path)
        elif partial and isinstance(error.filename, str | os.PathLike):
            error.filename = os.fspath(error.filename).replace(str(partial), str(path))
        raise


def _is_stream(path: Path) -> bool:
    """Whether it is no file or folder, or leads to an open file, such as /dev/stdout."""
    return bool(_descriptors(path)) or (path.exists() and not path.is_file() and not path.is_dir())


def _descriptors(path: Path) -> str:
    """The first link on the way from `path` that lies among open files; empty if none does."""
    for _ in range(40):  # links; the system follows no more
        folder = os.path.realpath(path.parent)
        if folder.startswith("/proc/") or folder == "/dev/fd":
            return f"{folder}/{path.name}"
        if not path.is_symlink():
            return ""
        path = path.parent / path.readlink()
    return ""


def _pour(source: Path, stream: Path) -> None:
    """Copy a file into a stream. Our own open files go on where they are; anew they would begin."""
    sys.stdout.flush()
    folder, _, number = _descriptors(stream).rpartition("/")
    ours = folder in (f"/proc/{os.getpid()}/fd", "/dev/fd") and number.isdecimal()
    with source.open("rb") as whole, os.fdopen(os.dup(int(number)), "wb") if ours else stream.open("wb") as out:
        shutil.copyfileobj(whole, out)


@contextmanager
def folder_of_a_run(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, for this run alone; `put_in_place` moves it there."""
    folder = Path(os.path.realpath(folder))  # a link stays
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = _partial(folder)
    own.mkdir()
    try:
        yield own
    finally:
        remove(own)


def put_in_place(new: Path, folder: Path, old: Iterable[str] | None = None) -> None:
    """Make the folder `new` the folder `folder` in one step; what was there goes.

    With `old`, these files of it go and all others stay. Where others cannot be linked to, because
    they are folders or the file system has no links, files are moved one by one.
    """
    folder = Path(os.path.realpath(folder))
    try:
        new.rename(folder)
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
    if old is not None:
        made = [path.name for path in new.iterdir()]
        try:
            for path in [path for path in folder.iterdir() if path.name not in {*made, *old}]:
                os.link(path, new / path.name, follow_symlinks=False)
            shutil.copystat(folder, new)
        except (OSError, NotImplementedError):  # links to links are not for every system
            with _naming(folder, new):
                for name in made:
                    (new / name).replace(folder / name)
                for name in set(old) - set(made):
                    remove(folder / name)
            return
    _exchange(new, folder)
    if old is not None:
        for path in new.iterdir():  # what came a moment ago
            if path.name not in old and not (folder / path.name).exists():
                path.replace(folder / path.name)
    remove(new)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two paths in one step (Linux: renameat2 with RENAME_EXCHANGE), or in three."""
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if renameat2 is None or renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange):
        aside = _partial(other)
        other.replace(aside)
        one.replace(other)
        aside.replace(one)


def portable(name: str) -> str:
    """A name in characters that are safe in files and URLs; other names stay different."""
    return "".join(letter if letter.isalnum() else "-" for letter in name) + f"-{fingerprint(name)[:4]}"


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_space(folder: Path, needed: int, name: str) -> None:
    """Raise a UserError if `needed` bytes do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{name} needs {needed / 1e9:.1f} GB more, {folder} has {free / 1e9:.1f} GB; make room and run again")


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """Raise a UserError when the disk of `folder` is full."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise UserError(f"the disk of {folder} is full; make room and run again, what came is kept") from None
        raise


def move(source: Path, target: Path) -> None:
    """Rename a folder, or copy it, whole or not at all, if the target is on another disk."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomically(target) as partial:
            shutil.copytree(source, partial)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits.

    Raises:
        UserError: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run the stage that writes it (dvc repro)") from None


def fingerprint(values: Any, files: Iterable[Path] = ()) -> str:
    """16 hexadecimal digits of JSON-able `values` and `files` (of folders: their .py files)."""
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode())
    for path in files:
        for part in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{part.name} {sha256(part)}".encode())
    return digest.hexdigest()[:16]


@contextmanager
def scratch(stage: str, key: str) -> Iterator[Path]:
    """A folder for what a killed stage needs to go on; it is removed when all went well.

    It lies outside the outs, because DVC removes those before a run, and in the main checkout, for
    queued experiments. A second run with the same key waits until the first is done.
    """
    folder = Path(os.environ.get("DVC_ROOT", "."), ".scratch", stage, key)
    if int(os.environ.get("LOCAL_RANK", "0")):  # started by Lightning: the first process holds the lock
        yield folder
        return
    from filelock import FileLock  # here: only the pipeline has scratch folders

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        folder.mkdir(exist_ok=True)  # the run before may have removed it
        yield folder
        remove(folder)
