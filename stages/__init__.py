"""The stages of dvc.yaml, one file each: read the params, call the library, write the outs.

Run one from the project's folder by `python -m stages.<name>`. This checkout's src/ is put first on
the path, because in a queued experiment the installed package is that of the main workspace.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])  # for worker processes

RAW, STEMS, SHARDS, SCORES = Path("data/raw"), Path("data/stems"), Path("data/shards"), Path("data/scores")
SEPARATED, UNCERTAINTY = Path("data/separated"), Path("data/uncertainty")
MODELS, METRICS, REPORTS = Path("models"), Path("metrics"), Path("reports")
