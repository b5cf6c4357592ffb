"""The stages of restyle/dvc.yaml, one file each: read the params, call the library, write the outs.

DVC runs them in the folder restyle/, by `python -m stages.<name>`. This checkout's src/ is put
first on the path, because in a queued experiment the installed package is that of the main
workspace.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])  # for worker processes

PIPELINE = Path("dvc.yaml")
RAW, STEMS, SHARDS = Path("data/raw"), Path("data/stems"), Path("data/shards")
VOCODER, TRAINED, MODEL = Path("models/vocoder"), Path("models/trained"), Path("models/best")
RESTYLED, SYSTEMS, SCORES = Path("data/restyled"), Path("data/systems"), Path("data/scores")
METRICS, REPORTS = Path("metrics"), Path("reports")
