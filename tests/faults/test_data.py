"""Runs the faults of datasets, stages, scores and the other commands."""

from pathlib import Path

import pytest

from tests.faults.datasets import prepare
from tests.faults.fault import Fault, judge
from tests.faults.runner import Runner
from tests.faults.tables import rows


@pytest.fixture(scope="module", autouse=True)
def prepared(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> None:
    prepare(tmp_path_factory.mktemp("prepared"), runner)


@pytest.mark.parametrize("fault", rows("datasets", "scores", "commands"))
def test_a_fault_is_borne(fault: Fault, runner: Runner, template: Path, tmp_path: Path):
    judged = judge(fault, tmp_path, template, runner)
    assert judged.verdict == "borne", f"{judged.verdict}: {judged.why}"
