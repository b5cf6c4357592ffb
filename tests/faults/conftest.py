"""The process that runs the command, and what every fault finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.runner import Runner
from tests.faults.tables import make_template


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    running = Runner(ROOT / "src", ROOT)
    yield running
    running.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))
