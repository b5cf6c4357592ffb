"""Runs the table. `python -m tests.faults.report` writes docs/reliability.md from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.fault import Fault, judge
from tests.faults.runner import Runner
from tests.faults.tables import make_template, tables

ROWS = [pytest.param(fault, id=f"{name}: {fault.what}") for name, faults in tables().items() for fault in faults]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    running = Runner(ROOT / "src", ROOT)
    yield running
    running.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.mark.parametrize("fault", ROWS)
def test_a_fault_is_borne(fault: Fault, runner: Runner, template: Path, tmp_path: Path):
    judged = judge(fault, tmp_path, template, runner)
    assert judged.verdict == "borne", f"{judged.verdict}: {judged.why}"


def test_every_case_has_a_name_of_its_own():
    names = [row.id for row in ROWS]
    assert len(set(names)) == len(names)
