"""What a run says when it ends badly; tests/faults has the commands."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.conftest import ROOT
from unsung.errors import UserError, one_line, told, told_in_one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a is wrong"), "a is wrong"),
        (PermissionError(errno.EACCES, "", "a"), "a may not be read or written; change its permissions or name another place"),
        (OSError(errno.ENOSPC, ""), "stdout or a file of this run cannot grow"),
        (OSError(99, "Odd", b"a\xff"), "a\udcff cannot be used (Odd)"),
        (BrokenPipeError(errno.EPIPE, ""), "stdout is a pipe that nobody reads"),
        (MemoryError(), "the memory is full; end"),
        (OSError(errno.ENOMEM, ""), "the memory is full; end"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "the memory is full; end"),
        (RuntimeError("unable to mmap 9 bytes from file <a>: Cannot allocate memory (12)"), "the memory is full; end"),
        (RuntimeError("could not create a primitive"), "the memory is full; end"),
        (OSError(errno.EAGAIN, ""), "the system gives no more processes"),
        (RuntimeError("can't start new thread"), "the system gives no more processes"),
    ],
)
def test_what_the_user_or_the_machine_is_to_blame_for_is_told(error, line):
    assert told(error).startswith(line)


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x"), OSError("x"), OSError(errno.EINVAL, "x")])
def test_bugs_of_ours_keep_their_traceback(error):
    assert told(error) == ""
    with pytest.raises(type(error)), told_in_one_line():
        raise error


def test_numpy_and_torch_out_of_memory_are_told():
    for allocate in (lambda: np.zeros(10**17), lambda: torch.zeros(10**15)):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert told(caught.value).startswith("the memory is full")


@pytest.mark.parametrize(("error", "line"), [(KeyboardInterrupt(), "stopped"), (KeyboardInterrupt("2 of 5"), "2 of 5")])
def test_an_interrupt_is_130_and_may_say_more(capsys, error, line):
    with pytest.raises(SystemExit) as ended, told_in_one_line():
        raise error
    assert ended.value.code == 130 and capsys.readouterr().err == f"unsung: {line}\n"


def test_a_line_holds_nothing_that_a_terminal_obeys():
    assert one_line("a\nb\r\x1b[31m \udcff \u65e5") == "a b \\x1b[31m \\udcff \u65e5"


RUN = """
from unsung.errors import told_in_one_line
with told_in_one_line():
    try:
        import hit
    finally:
        print("later")
"""


def test_an_interrupt_while_modules_are_imported_ends_at_once(tmp_path):
    """Compiled modules may drop the exception that Python raises for it, as pydantic's does."""
    (tmp_path / "hit.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    (tmp_path / "run.py").write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "unsung: stopped\n")
