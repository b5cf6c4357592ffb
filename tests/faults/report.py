"""Writes docs/reliability.md from the faults: each is run, and what the user is told is shown.

python -m tests.faults.report                 # run all and write the page
python -m tests.faults.report --before OLD    # run all in an older checkout, write before.csv
python -m tests.faults.report --verdicts FILE # run all, write the verdicts alone
python -m tests.faults.report --only "Ctrl-C" # run some, write nothing
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.datasets import prepare
from tests.faults.fault import Judged, judge
from tests.faults.runner import Runner
from tests.faults.tables import TITLES, make_template, tables

Results = Mapping[tuple[str, str], Judged]  # by table and case

PAGE = ROOT / "docs" / "reliability.md"
BEFORE = Path(__file__).with_name("before.csv")  # the verdicts on commit 0b83463, before there was a table
VERDICTS = {
    "borne": "one true line, nothing lost",
    "traceback": "a traceback",
    "other words": "one line, but in other words",
    "wrong": "refused wrongly, taken though bad, silently wrong, or more than one line",
    "lost": "a file of the user lost or changed",
    "hang": "a hang",
}
INTRODUCTION = """# Reliability

What a user's song, disk, dataset or finger on Ctrl-C can do to unsung, and what it answers. Every row
is a test (`tests/faults/`): the command is run in a folder of its own, with the fault in it. Each must
end as the table says: with this exit code, one line on stderr if it failed, no traceback, no hang, and
every file that was there as it was, but for those that the row is about. Another test draws songs,
options, folders, kills and full disks at random: no input is ever touched, and a file with a final
name is whole (`tests/faults/test_any_run.py`).

This page is written by `python -m tests.faults.report`, which runs them all.
"""


def judge_all(only: str) -> Results:
    """Run every fault whose name has `only` in it."""
    results = {}
    runner = Runner(ROOT / "src", ROOT)
    with tempfile.TemporaryDirectory(prefix="faults", ignore_cleanup_errors=True) as folder:
        template, prepared = make_template(Path(folder, "template")), Path(folder, "prepared")
        prepared.mkdir()
        prepare(prepared, runner)
        for table, faults in tables().items():
            for number, fault in enumerate(faults):
                if only in f"{table}: {fault.what}":
                    here = Path(folder, f"{table}-{number}")
                    try:
                        judged = judge(fault, here, template, runner)
                    except Exception as error:  # an older version may not even arrange it
                        judged = Judged("traceback", repr(error), "", 1)
                    results[table, fault.what] = judged._replace(line=judged.line.replace(str(here), "…"))
                    if judged.verdict != "borne":
                        print(f"{judged.verdict}: {table}: {fault.what}: {judged.why[-400:]}\n", flush=True)
    runner.close()
    return results


def page(results: Results) -> str:
    """docs/reliability.md, not yet formatted."""
    with BEFORE.open() as file:
        before = Counter(row["verdict"] for row in csv.DictReader(file))
    now = Counter(judged.verdict for judged in results.values())
    lines = [INTRODUCTION, "## Before and after", "", "| how a fault ends | before | now |", "| -- | -- | -- |"]
    lines += [f"| {words} | {before[verdict]} | {now[verdict]} |" for verdict, words in VERDICTS.items()]
    lines += [f"| cases | {before.total()} | {now.total()} |", ""]
    lines += ["Before is commit 0b83463, run through the same table; what it did not have (pools, mixes) is not counted.", ""]
    for table, title in TITLES.items():
        lines += [f"## {title}", "", "| case | exit code | what is said |", "| -- | -- | -- |"]
        lines += [
            f"| {cell(what)} | {judged.code} | {cell(judged.line)} |" for (of, what), judged in results.items() if of == table
        ]
        lines += [""]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|$&" else letter for letter in text)


def judge_before(checkout: Path) -> None:
    """Run these faults in an older checkout, with its code, stages and params."""
    shutil.copytree(ROOT / "tests", checkout / "tests", dirs_exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-m", "tests.faults.report", "--verdicts", str(BEFORE)]
    subprocess.run(command, cwd=checkout, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--verdicts", type=Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    if args.before:
        judge_before(args.before.resolve())
        return
    results = judge_all(args.only)
    print(dict(Counter(judged.verdict for judged in results.values())))
    if args.verdicts:
        with args.verdicts.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["table", "case", "verdict"])
            writer.writerows([*case, judged.verdict] for case, judged in results.items())
    elif not args.only:
        PAGE.write_text(page(results))
        subprocess.run([sys.executable, "-m", "mdformat", str(PAGE)], check=True)  # as .mdformat.toml has it


if __name__ == "__main__":
    main()
