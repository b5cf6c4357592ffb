"""Programs whose start-up is most of their time, as forks of one process that has imported them.

`scripts` makes a folder for the PATH, with a script for each. It hands its arguments, environment,
folder and open files to that process over a socket, and ends with the exit code that comes back.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.runner import ENVIRONMENT, warm

SCRIPT = """#!{python} -SE
import json, os, socket, sys
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
if words[0] == "python" and not (words[1:2] == ["-m"] and words[2].startswith("stages.")):
    os.execv({python!r}, [{python!r}, *words[1:]])
asked = socket.socket(socket.AF_UNIX)
asked.connect({place!r})
socket.send_fds(asked, [b"0"], [0, 1, 2])
asked.sendall(json.dumps([words, os.getcwd(), dict(os.environ)]).encode())
asked.shutdown(socket.SHUT_WR)
sys.exit(int(asked.recv(9) or b"1"))
"""
WARM = ["dvc.cli", "dvc.cli.parser", "dvc.repo", "dvc.repo.experiments.run", "dvc.repo.reproduce", "dvc.stage.run"]


@contextmanager
def scripts(folder: Path, *names: str) -> Iterator[Path]:
    """A folder with these programs, while the process that they are forks of is there."""
    place = str(folder / "socket")
    command = [sys.executable, "-m", "tests.forks", place]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path}, stdin=subprocess.PIPE)
    assert process.stdin
    while not Path(place).exists():
        assert process.poll() is None
        time.sleep(0.02)
    for name in names:
        (folder / name).write_text(SCRIPT.format(python=sys.executable, place=place))
        (folder / name).chmod(0o755)
    yield folder
    process.stdin.close()
    process.wait()


def serve(place: str) -> None:
    """Fork for each request, until stdin is closed."""
    with socket.socket(socket.AF_UNIX) as listening:
        warm()
        for name in WARM:
            importlib.import_module(name)
        gc.freeze()  # a collection in a fork would copy every page
        listening.bind(place)
        listening.listen()
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            asked, _ = listening.accept()
            if not os.fork():
                child(asked)
            asked.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def child(asked: socket.socket) -> None:
    """Be the program; never returns."""
    code = 1
    try:
        for number, file in enumerate(socket.recv_fds(asked, 1, 3)[1]):
            os.dup2(file, number)
            os.close(file)
        words, folder, environment = json.load(asked.makefile())
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = ended(words)
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            asked.send(str(code).encode())
        os._exit(code)


def ended(words: Sequence[str]) -> int:
    """Run a program; the exit code."""
    from dvc.cli import main

    from unsung.cli import run

    sys.argv = [*words]
    try:
        if words[0] == "dvc":
            return main(words[1:])
        if words[0] == "unsung":
            run()
        else:  # python -m MODULE
            sys.argv = [*words[2:]]
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
