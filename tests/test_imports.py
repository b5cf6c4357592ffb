"""What must start quickly does not load what it does not need."""

import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, write_song

BEGIN = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "


@pytest.mark.parametrize("module", ["unsung.cli", "unsung.comparing.comment"])
def test_comparing_needs_no_torch(module):
    code = f"{BEGIN}import {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_scoring_loads_nothing_that_takes_long(tmp_path):
    rng = np.random.default_rng(0)
    for side in ("references", "estimates"):
        stems = {name: 0.1 * rng.standard_normal((8000, 2)) for name in ("vocals", "accompaniment")}
        write_song(tmp_path / side / "A - B", stems, 8000)
    slow = ["torch", "pandas", "scipy.signal", "scipy.stats", "joblib", "matplotlib", "av", "soxr", "jinja2"]
    code = (
        f"{BEGIN}from unsung.cli import app; app(['score', 'references', 'estimates'], standalone_mode=False); "
        f"sys.exit(', '.join(name for name in {slow} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "| estimates | vocals |" in done.stdout, done.stderr
