"""What a run says when it ends badly: one line with what is wrong, where, what to do.

A UserError is what the code itself knows. The system and the memory have errors of their own, which
are told here. Any other exception is a bug of ours and keeps its traceback.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # the exit code of what Ctrl-C ended: 128 + SIGINT
FULL = "cannot grow, because its disk is full or a limit is reached; make room and run again"
REFUSED = "may not be read or written; change its permissions or name another place"
BROKEN = "cannot be read or written; look after its disk"
ADVICE = {  # what is to be said of a file, for each error that is not ours
    errno.EACCES: REFUSED,
    errno.EPERM: REFUSED,
    errno.EROFS: "is on a disk that may only be read; name another place",
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.ENOENT: "is not there; mend the path",
    errno.ENOTDIR: "has a file in its path where a folder should be; mend the path",
    errno.EISDIR: "is a folder; name a file",
    errno.EEXIST: "is there already and in the way; remove it or name another place",
    errno.ENOTEMPTY: "is a folder with files in it; empty it or name another place",
    errno.ENAMETOOLONG: "has a name that is too long; shorten it",
    errno.ELOOP: "is a link that leads back to itself; remove it",
    errno.EINVAL: "has a name that this disk does not take; name another place",
    errno.EILSEQ: "has a name that this disk does not take; name another place",
    errno.EBUSY: "is in use; end what uses it",
    errno.ETXTBSY: "is in use; end what uses it",
    errno.ENXIO: "is a device or a pipe that cannot be opened; name a file",
    errno.ENODEV: "is a device or a pipe that cannot be opened; name a file",
    errno.EIO: BROKEN,
    errno.ESTALE: BROKEN,
    errno.EBADF: "is not open; write to a file",
    errno.EPIPE: "is a pipe that nobody reads any more; write to a file",
    errno.EMFILE: "cannot be opened, too many files are; raise the limit (ulimit -n)",
    errno.ENFILE: "cannot be opened, too many files are; end other programs",
}
OF_NO_FILE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}  # also without a name
MEMORY = "the memory is full{}; end other programs, or do less at once (--help, params.yaml)"
PIPELINE = {  # what is imported of the extra `pipeline` of pyproject.toml
    *("auraloss", "diffusers", "distributed", "dvc", "filelock", "librosa", "lightning", "matplotlib", "museval", "pyarrow"),
    *("requests", "swift_f0", "tensorboard", "torchaudio", "wandb"),
}
INSTALL = 'pip install "unsung[pipeline]"'
PROCESSES = "the system gives no more processes or threads; end some, or take fewer workers"


class UserError(Exception):
    """Something the user can mend."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """End with one line on stderr, and exit code 1, where the user or the machine is at fault.

    Ctrl-C is exit code 130. Output that cannot be written is an error too, also at the very end.
    """
    _open_what_is_closed()
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler and current_thread() is main_thread():
            signal.signal(signal.SIGINT, _interrupt)
        yield
        sys.stdout.flush()  # here, because Python itself could only print a traceback
    except KeyboardInterrupt as error:
        _end(str(error) or "stopped", INTERRUPTED)
    except SystemExit as ending:  # of rich, which prints the help
        if ending.__suppress_context__ or not isinstance(ending.__context__, BrokenPipeError):
            raise
        _end(f"stdout {ADVICE[errno.EPIPE]}", 1)
    except Exception as error:
        if not (line := told(error)):
            raise
        _end(line, 1)


def told(error: BaseException) -> str:
    """What to say of an error; empty if it is a bug of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or _of_memory(error):
        return MEMORY.format(f" ({error})" if isinstance(error, MemoryError) and str(error) else "")
    if isinstance(error, ModuleNotFoundError) and _package(error) in PIPELINE:
        return f"this needs {missing(error)}"
    if "can't start new thread" in str(error) or (isinstance(error, OSError) and error.errno == errno.EAGAIN):
        return PROCESSES
    if not isinstance(error, OSError) or not (where := _place(error)):
        return ""
    return f"{where} {ADVICE.get(error.errno or 0, f'cannot be used ({error.strerror or error}); name another place')}"


def missing(error: ModuleNotFoundError) -> str:
    """Which package is not installed, and how to install it."""
    return f"{_package(error)}, which is not installed; run {INSTALL}"


def _package(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]


def one_line(text: str) -> str:
    """Text without line ends and without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in " ".join(text.split()))


def _of_memory(error: BaseException) -> bool:
    """Whether memory ran out, as the system, torch, oneDNN or the linker says it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    words = {
        RuntimeError: ("llocator: can't", "out of memory", "Cannot allocate memory", "could not create a primitive"),
        ImportError: ("failed to map segment", "cannot allocate memory"),
    }
    return any(isinstance(error, kind) and word in str(error) for kind, some in words.items() for word in some)


def _place(error: OSError) -> str:
    """The file that an error is about: stdout, if there is no name and stdout cannot be written."""
    if isinstance(error.filename, str | bytes | os.PathLike):
        return os.fsdecode(error.filename)
    try:
        sys.stdout.flush()
    except OSError:
        return "stdout"
    if error.errno == errno.EPIPE:
        return "stdout"
    return "stdout or a file of this run" if error.errno in OF_NO_FILE else ""


def _end(line: str, code: int) -> NoReturn:
    """Print the line and exit. What cannot be written is dropped; Python would stumble over it."""
    for stream, text in ((sys.stdout, ""), (sys.stderr, f"unsung: {one_line(line)}\n")):
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise SystemExit(code) from None


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Ctrl-C: end at once while modules are imported; compiled ones may drop the exception."""
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            with suppress(OSError):
                os.write(2, b"unsung: stopped\n")
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def _open_what_is_closed() -> None:
    """Make stdin, stdout and stderr be there, or the next file that is opened would be one of them.

    What a closed stdout should have shown is missed, so writing to it fails. Odd names are escaped.
    """
    for number, (name, mode) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", errors="backslashreplace", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
