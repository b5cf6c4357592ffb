"""The stages of dvc.yaml, one file each: read the params, call the library, write the outs.

Run from the project's folder as `python -m stages.<name>`. This checkout's src/ comes first on the path: in a queued
experiment the installed package is the main workspace's, and its code is not what the experiment is about.
"""

import os
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCES))
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])  # for worker processes

RAW, STEMS, SHARDS, SCORES = Path("data/raw"), Path("data/stems"), Path("data/shards"), Path("data/scores")
SEPARATED, UNCERTAINTY = Path("data/separated"), Path("data/uncertainty")
MODELS, METRICS, REPORTS = Path("models"), Path("metrics"), Path("reports")
