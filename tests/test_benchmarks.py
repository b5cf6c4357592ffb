"""Each benchmark starts: it says what it measures, and how to ask for it."""

import runpy
import sys

import pytest

from tests.conftest import ROOT

PROGRAMS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text())


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_it_starts_and_says_what_it_is(path, monkeypatch, capsys):
    """Like `python benchmarks/NAME.py --help`, but in this process, which has loaded PyTorch."""
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # scoring.py sets it for good
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and printed.startswith(f"usage: {path.name}")
    assert path.read_text().splitlines()[0].removeprefix('"""') in printed
