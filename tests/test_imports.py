"""What must start quickly does not load what it does not need."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("module", ["unsung.cli", "unsung.comparing.comment"])
def test_comparing_needs_no_torch(module):
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); import {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
