"""Runs the faults of songs, outputs and models."""

from pathlib import Path

import pytest

from tests.faults.fault import Fault, judge
from tests.faults.runner import Runner
from tests.faults.tables import rows


@pytest.mark.parametrize("fault", rows("separate", "audio", "models"))
def test_a_fault_is_borne(fault: Fault, runner: Runner, template: Path, tmp_path: Path):
    judged = judge(fault, tmp_path, template, runner)
    assert judged.verdict == "borne", f"{judged.verdict}: {judged.why}"
