"""Runs the command in a process of its own, a fork of one that has imported everything.

A fork takes milliseconds where a fresh process takes seconds, and is as real: exit codes, signals,
closed files, limits and permissions are the system's. Root's power over permissions is given up.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from threadpoolctl import ThreadpoolController

from unsung.config.registry import NETWORKS, PROCESSES, PROVIDERS
from unsung.config.schema import params_schema

PROGRAM = "unsung"
MEGABYTE = 2**20
POLL = 0.002  # seconds, while a signal waits for a file
WARM = [
    *(f"unsung.{name}" for name in ("cli", "config.presets", "data.credits", "export", "separation", "shipped", "training")),
    *("unsung.comparing.comment", "unsung.comparing.comparison", "unsung.reporting.report", "unsung.scoring.folders"),
    *PROVIDERS.values(),
    *NETWORKS.values(),
    *PROCESSES.values(),
    *(
        "typer._adapters",
        "typer._click._textwrap",
        "typer._click.decorators",
        "typer.rich_utils",
        "rich.markdown",
        "rich.traceback",
        "stages",
        "pydantic.type_adapter",
        "einops._torch_specific",
        "ruamel.yaml.mergevalue",
    ),
    *(
        "pandas.core.arrays.arrow.extension_types",
        "pandas.core.methods.to_dict",
        "pandas.io.formats.csvs",
        "pyarrow.pandas_compat",
        "pyarrow.dataset",
        "av.subtitles.stream",
        "onnx",
    ),
]
# Large pages: a fork copies fewer tables.
ENVIRONMENT = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Limits:
    """What the process may do, and what happens to it."""

    file_bytes: int | None = None  # a full disk: no file may grow beyond; -n: the largest file but n bytes
    memory: int | None = None  # bytes beyond what the imports took
    closed: tuple[int, ...] = ()  # file descriptors that are closed from the beginning
    stdout: str = ""  # another file for it, such as /dev/full; "|" is a pipe that nobody reads
    stdin: str = ""  # what is typed
    signal: tuple[int, str] | None = None  # the signal, and a glob: it is sent when such a file is there
    delay: float = 0.0  # seconds from then to the signal
    encoding: str = "utf-8"  # of stdout and stderr


@dataclass(frozen=True)
class Done:
    """What a run left behind."""

    code: int  # negative: the signal that ended it
    out: str
    err: str
    hung: bool
    seconds: float


class Runner:
    """The process that has imported everything, and forks for each run."""

    def __init__(self, source: Path, project: Path) -> None:
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(map(str, (source, project)))}
        command = [sys.executable, "-m", "tests.faults.runner"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=project, env=environment, stdin=pipe, stdout=pipe, bufsize=0)
        assert self.process.stdin and self.process.stdout
        self.to, self.back = self.process.stdin, self.process.stdout

    def close(self) -> None:
        """End it."""
        self.to.close()
        self.process.wait()
        self.back.close()

    def run(self, arguments: Sequence[str | bytes], here: Path, limits: Limits, seconds: float) -> Done:
        """Run `unsung *arguments` or a stage in the folder `here`."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            words = [os.fsencode(word).hex() for word in arguments]
            asked = {"words": words, "here": str(here), "out": str(out), "err": str(err), "limits": asdict(limits)}
            self.to.write(json.dumps(asked).encode() + b"\n")
            pid = int(self.back.readline())
            begun = time.monotonic()  # the first run waits for all the imports
            hung, sent = False, False
            while not select.select([self.back], [], [], POLL if limits.signal and not sent else seconds)[0]:
                now = time.monotonic() - begun
                ready = limits.signal and not sent and Path(folder, "ready").exists()
                if limits.signal and ready and (not limits.signal[1] or next(here.glob(limits.signal[1]), None)):
                    time.sleep(limits.delay)
                    with suppress(ProcessLookupError):
                        os.kill(pid, limits.signal[0])
                    sent = True
                if now > seconds and not hung:
                    hung = True
                    os.killpg(pid, signal.SIGKILL)
            code = int(self.back.readline())
            texts = [path.read_text("utf-8", "backslashreplace") if path.exists() else "" for path in (out, err)]
            return Done(code, *texts, hung=hung, seconds=time.monotonic() - begun)


def serve(commands: IO[str], answers: IO[str]) -> None:
    """Fork a run for each line of `commands`; answer with its pid, then with its exit code."""
    warm()
    gc.freeze()  # a collection in a fork would copy every page
    for line in commands:
        asked = json.loads(line)
        pipes = [os.pipe() for _ in range(2)]  # files would share the limit of size
        for _, write in pipes:
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, MEGABYTE)
        pid = os.fork()
        if not pid:
            child(asked, [write for _, write in pipes])
        answers.write(f"{pid}\n")
        answers.flush()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for (read, write), name in zip(pipes, ("out", "err"), strict=True):
            os.close(write)
            os.set_blocking(read, False)
            with suppress(BlockingIOError):
                Path(asked[name]).write_bytes(os.read(read, MEGABYTE))
            os.close(read)
        answers.write(f"{code}\n")
        answers.flush()


def warm() -> None:
    """Import what commands import, make what they cache, but run nothing that starts a thread."""
    for name in WARM:
        importlib.import_module(name)
    params_schema()
    ThreadpoolController()  # looks where each of a few hundred libraries lies
    with tempfile.TemporaryDirectory() as folder, suppress(ImportError, TypeError):  # an older version separates otherwise
        separate_once(Path(folder))


def separate_once(folder: Path) -> None:
    """Separate a song in one thread: what torch makes for a network is there for every fork."""
    from tests.faults.tables import make_template
    from unsung.config.schema import Separate
    from unsung.places import Wanted
    from unsung.separation import Method
    from unsung.songs import separate_songs

    template = make_template(folder)
    how = Separate(window_seconds=8.0, overlap=0.25, batch_size=4, accelerator="cpu", int8=False)
    separate_songs([template / "song.wav"], Method(template / "models" / "tiny", how, seed=0), Wanted(folder / "out"))


def child(asked: dict, pipes: Sequence[int]) -> None:
    """Be the command; never returns."""
    os.setsid()
    code = 1
    try:
        program = arranged(asked, pipes)
        try:
            Path(asked["out"]).with_name("ready").touch()
            program()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        except BaseException:
            if sys.stderr:
                traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):  # as Python does at its end
            try:
                if stream:
                    stream.flush()
            except OSError as error:
                os.write(2, f"Exception ignored: {error}\n".encode())
                code = 120
    finally:
        for process in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            os.kill(int(process), signal.SIGKILL)
        os._exit(code)


TAKEN: list[bytearray] = []  # held until the process ends


def _free_memory() -> Iterator[bytearray]:
    """What is free without asking the system for more, which differs from run to run."""
    size = 2**22
    while size >= 2**12:
        try:
            yield bytearray(size)
        except MemoryError:
            size //= 2


def arranged(asked: dict, pipes: Sequence[int]) -> Callable[[], object]:
    """Give the process its folder, files, limits and arguments; returns the program."""
    limits = Limits(**asked["limits"])
    os.chdir(asked["here"])
    put(pipes[1], 2)
    if limits.stdout == "|":
        read, write = os.pipe()
        os.close(read)
        put(write, 1)
    else:
        put(os.open(limits.stdout, os.O_WRONLY) if limits.stdout else pipes[0], 1)
    read, write = os.pipe()
    os.write(write, limits.stdin.encode())
    os.close(write)
    put(read, 0)
    names = ("stdin", "stdout", "stderr")
    for number, (name, mode) in enumerate(zip(names, "rww", strict=True)):
        errors = "backslashreplace" if number == 2 else "strict"
        stream = open(number, mode, encoding=limits.encoding, errors=errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for number in limits.closed:
        os.close(number)
        setattr(sys, names[number], None)
        setattr(sys, f"__{names[number]}__", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if limits.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if limits.memory is not None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used, resource.RLIM_INFINITY))
        TAKEN.extend(_free_memory())
        resource.setrlimit(resource.RLIMIT_AS, (used + limits.memory, used + limits.memory))
    give_up_power()
    words = [os.fsdecode(bytes.fromhex(word)) for word in asked["words"]]
    if words[0] == "stage":
        return stage(words[1])
    sys.argv = [PROGRAM, *words]
    from unsung.cli import run

    return run


def put(descriptor: int, number: int) -> None:
    """Make an open file the one with this number."""
    os.dup2(descriptor, number)
    os.close(descriptor)


def stage(name: str) -> Callable[[], object]:
    """A stage of the pipeline, as `python -m stages.NAME` runs it."""
    import runpy

    sys.argv = [f"stages/{name}.py"]
    return lambda: runpy.run_module(f"stages.{name}", run_name="__main__")


def give_up_power() -> None:
    """Drop CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER: permissions bind root, too."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of the lower, then of the upper 32
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for number in range(3):
        sets[number] &= ~0b1110
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imports print is no answer
    serve(sys.stdin, answers)
