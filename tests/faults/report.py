"""Writes docs/reliability.md: every fault, and what the user is told.

python -m tests.faults.report                        # judge all, write the page
python -m tests.faults.report --before OLD           # judge another checkout, write before.csv
python -m tests.faults.report --check                # is the page that of the last results?
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fault import Judged, judge
from tests.faults.runner import Runner
from tests.faults.tables import make_template, tables

HERE = Path(__file__).parent
VERDICTS = ("borne", "traceback", "hang", "lost", "wrong")


def judge_all(source: Path, only: str = "") -> dict[tuple[str, str], Judged]:
    """Judge every row with the code in `source`."""
    results = {}
    running = Runner(source, ROOT)
    with tempfile.TemporaryDirectory(prefix="faults", ignore_cleanup_errors=True) as folder:
        template = make_template(Path(folder, "template"))
        for name, faults in tables().items():
            for number, fault in enumerate(faults):
                if only in f"{name}: {fault.what}":
                    judged = judge(fault, Path(folder, f"{name} {number}"), template, running)
                    results[name, fault.what] = judged
                    if judged.verdict != "borne":
                        print(f"{judged.verdict}: {name}: {fault.what}: {judged.why[-300:]}\n", flush=True)
    running.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    source = (args.before or ROOT) / "src"
    if os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] != str(source):  # this process makes what faults begin with
        environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}
        raise SystemExit(subprocess.run([sys.executable, "-m", "tests.faults.report", *sys.argv[1:]], env=environment).returncode)
    results = judge_all(source, args.only)
    print(Counter(judged.verdict for judged in results.values()))


if __name__ == "__main__":
    main()
