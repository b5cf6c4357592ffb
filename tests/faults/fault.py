"""A row of the table, and the run of one: what is checked for every fault."""

import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import soundfile

from tests.faults.runner import Done, Limits, Runner

SECONDS = 20  # a run that takes longer hangs


@dataclass(frozen=True)
class Fault:
    """A command that meets something bad, in a folder with song.wav and models/tiny."""

    what: str  # the case in words, for docs/reliability.md
    command: str  # as typed, without `unsung`; or "stage NAME"
    says: str = ""  # a part of the line on stderr; without an error, of all that is printed
    code: int = 1
    make: Callable[[Path], object] = lambda here: None  # arranges the folder
    may_change: tuple[str, ...] = ()  # globs of files that were there and may change or go
    whole: tuple[str, ...] = ()  # globs of audio files that must be there and be whole
    absent: tuple[str, ...] = ()  # globs of what must not be there
    after: Callable[[Path, Done], object] = lambda here, done: None  # more that must be true
    limits: Limits = field(default_factory=Limits)
    arguments: tuple[bytes | str, ...] | None = None  # where `command` cannot be split into them; {here}
    lines: int = 1  # on stderr, if the code is 1: one for each song, and the count


Verdict = Literal["borne", "traceback", "hang", "lost", "wrong", "other words"]


class Judged(NamedTuple):
    """How a fault was borne, and why it was not."""

    verdict: Verdict
    why: str
    line: str  # what the user was told
    code: int  # the exit code


def judge(fault: Fault, here: Path, template: Path, runner: Runner) -> Judged:
    """Run a fault in the folder `here`, a copy of `template`.

    borne: as the row says. lost: a file that was there changed or went. wrong: the exit code, more
    or less than one line, or a file that should be there or whole. other words: all but the line.
    """
    shutil.copytree(template, here, symlinks=True, dirs_exist_ok=True)
    fault.make(here)
    before = contents(here)
    words = fault.arguments or tuple(shlex.split(fault.command))
    words = tuple(word.replace("{here}", str(here)) if isinstance(word, str) else word for word in words)
    limits = fault.limits
    if limits.file_bytes is not None and limits.file_bytes < 0:  # so much less than the largest file
        limits = replace(limits, file_bytes=limits.file_bytes + max(len(x) for x in before.values() if isinstance(x, bytes)))
    done = runner.run(words, here, limits, SECONDS)
    lines = [line for line in re.split(r"[\r\n]+", done.err) if line.strip() and "%|" not in line]
    line = lines[-1] if lines else done.out.strip().splitlines()[-1] if done.out.strip() else ""
    if done.hung:
        return Judged("hang", f"it ran for more than {SECONDS} s", line, done.code)
    if "Traceback" in done.err or "Exception ignored" in done.err or (done.code < 0 and not fault.limits.signal):
        return Judged("traceback", done.err[-1500:] or f"exit code {done.code}", line, done.code)
    after = contents(here)
    allowed = {path for pattern in fault.may_change for path in here.glob(pattern)} | {
        here / name for name in before if any(Path(os.fsdecode(name)).match(pattern) for pattern in fault.may_change)
    }
    for name, content in before.items():
        if after.get(name) != content and here / name not in allowed:
            return Judged("lost", f"{name} {'changed' if name in after else 'is gone'}", line, done.code)
    try:
        assert done.code == fault.code, f"exit code {done.code} instead of {fault.code}: {done.err[-500:]}"
        if fault.code == 1 and 2 not in fault.limits.closed:
            fine = len(lines) == fault.lines and all(line.startswith("unsung: ") for line in lines)
            assert fine, f"not {fault.lines} line(s): {done.err[-1000:]!r}"
        for pattern in fault.whole:
            found = sorted(here.glob(pattern))
            assert found, f"{pattern} is not there"
            for path in found:
                check_whole(path)
        for pattern in fault.absent:
            assert not list(here.glob(pattern)), f"{next(iter(here.glob(pattern)))} is there"
        if not fault.limits.signal or fault.limits.signal[0] == signal.SIGINT:
            left = [
                path for path in here.rglob(".*") if path.name.endswith(".partial") and str(path.relative_to(here)) not in before
            ]
            assert not left, f"{left} is left"
        fault.after(here, done)
    except AssertionError as error:
        return Judged("wrong", str(error), line, done.code)
    if fault.says not in ("\n".join(lines) if fault.code == 1 else done.out + done.err):
        return Judged("other words", f"{fault.says!r} is not in {line or done.out!r}", line, done.code)
    return Judged("borne", "", line, done.code)


def contents(folder: Path) -> dict[str, object]:
    """Every file below a folder with its bytes, a link with its target, others with their kind."""
    found: dict[str, object] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            status = path.lstat()
            if path.is_symlink():
                content: object = path.readlink()
            elif path.is_file():
                content = path.read_bytes() if status.st_size < 1e8 else status.st_size
            else:
                content = oct(status.st_mode >> 12)
            found[str(path.relative_to(folder))] = content
    return found


def check_whole(path: Path) -> None:
    """A FLAC file has the frames that its header states, and all of them can be read."""
    with soundfile.SoundFile(os.fsencode(path)) as file:
        stated, read = file.frames, 0
        while len(block := file.read(2**16, dtype="int32", always_2d=True)):
            read += len(block)
    assert stated == read > 0, f"{path} has {read} of {stated} frames"
