"""Workflows run goals of the Makefile. The goals that only they run are run here.

They run in a scratch history, with a program `gh` that writes down its arguments.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.comparing.test_comparison import BASE, History
from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GOALS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
GH = """#!/bin/sh
printf '%s\\n' "$@" > gh-arguments
cat > gh-body
"""


def read(path):
    return YAML(typ="safe").load(path)


@pytest.fixture
def checkout(tmp_path):
    """A clone as actions/checkout makes it of a pull request, with an environment."""
    origin = tmp_path / "origin"
    origin.mkdir()
    history = History(origin)
    history.commit(BASE)
    history.git("switch", "-q", "-c", "change")
    history.commit(BASE - 0.5)
    history.git("switch", "-q", "main")
    history.commit(BASE + 9)  # main went on; the branch is not to blame
    folder = tmp_path / "checkout"
    subprocess.run(["git", "clone", "-q", str(origin), str(folder)], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach", "origin/change"], cwd=folder, check=True)
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    unsung = f"#!/bin/sh\nPYTHONPATH={ROOT / 'src'} exec {sys.executable} -c 'from unsung.cli import run; run()' \"$@\"\n"
    for name, content in (("unsung", unsung), ("gh", GH)):
        (programs / name).write_text(content)
        (programs / name).chmod(0o755)
    (folder / ".venv" / "installed").touch()
    return folder


def make(checkout, goal, **values):
    """Run a goal there as a step of a workflow would, with these environment variables."""
    left_out = ("GITHUB_", "GIT_", "MAKE", "MFLAGS", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    environment["PATH"] = f"{checkout / '.venv' / 'bin'}:{environment['PATH']}"
    return subprocess.run(
        ["make", goal],
        cwd=checkout,
        env=environment | values,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def git(checkout, *arguments):
    given = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(given, cwd=checkout, check=True, capture_output=True, text=True).stdout.strip()


def written(checkout):
    return (checkout / ".scratch" / "comment.md").read_text()


def test_a_fall_fails_and_is_posted(checkout):
    refs = git(checkout, "for-each-ref")
    done = make(checkout, "comparison", REPOSITORY="https://github.com/owner/name")
    assert done.returncode and "worse by 0.50, beyond --fail-below -0.3" in done.stdout
    base = git(checkout, "rev-parse", "--short=7", "origin/change~1")
    assert "## Worse: HEAD (" in written(checkout) and f") against {base}\n" in written(checkout)
    assert "`vocals.sdr` 8.50 -> 8.00 dB" in written(checkout) and "worse by more than 0.3 dB" in written(checkout)
    assert f"https://github.com/owner/name/blob/{git(checkout, 'rev-parse', 'HEAD')}/reports/figures/" in written(checkout)
    assert (checkout / ".scratch" / "pictures" / "differences.png").is_file()
    assert git(checkout, "for-each-ref") == refs  # nobody's branches are moved
    assert make(checkout, "comment", NUMBER="7").returncode == 0
    assert (checkout / "gh-arguments").read_text().split() == [
        *("pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "-")
    ]
    assert (checkout / "gh-body").read_text() == written(checkout)


def test_an_improvement_passes_and_a_summary_is_written(checkout):
    History(checkout).commit(BASE + np.linspace(0.1, 0.5, 8))
    assert make(checkout, "comparison").returncode == 0 and "## Better: HEAD (" in written(checkout)
    make(checkout, "summary", GITHUB_STEP_SUMMARY=str(checkout / "summary"))
    assert (checkout / "summary").read_text() == written(checkout)
    assert make(checkout, "summary").stdout == written(checkout)


def test_where_the_branch_began_there_may_have_been_no_run(checkout):
    git(checkout, "rm", "-q", "-r", "metrics", "reports")
    git(checkout, "commit", "-qm", "nothing")
    git(checkout, "update-ref", "refs/remotes/origin/main", "HEAD")
    History(checkout).commit(BASE)
    assert make(checkout, "comparison").returncode == 0 and "## Not comparable: HEAD (" in written(checkout)


def test_a_comparison_that_breaks_is_an_error_and_posts_nothing(checkout):
    make(checkout, "comparison")
    git(checkout, "rm", "-q", "-r", "--cached", "dvc.lock")
    git(checkout, "commit", "-qm", "x")
    done = make(checkout, "comparison")
    assert done.returncode and "dvc.lock is not in HEAD" in done.stdout
    for goal in ("comment", "summary"):
        done = make(checkout, goal, NUMBER="7")
        assert done.returncode and "there is no .scratch/comment.md; run make comparison" in done.stdout
    assert not (checkout / "gh-arguments").exists()


def test_a_comment_that_cannot_be_posted_is_an_error(checkout):
    (checkout / ".scratch").mkdir()
    (checkout / ".scratch" / "comment.md").write_text("x\n")
    (checkout / ".venv" / "bin" / "gh").write_text("#!/bin/sh\ncat > gh-body; echo 'HTTP 403: Resource not accessible'; exit 1\n")
    done = make(checkout, "comment", NUMBER="7")
    assert done.returncode and "HTTP 403" in done.stdout


def test_a_long_comment_loses_whole_lines(checkout):
    """GitHub takes 65,536 characters."""
    (checkout / ".scratch").mkdir()
    (checkout / ".scratch" / "comment.md").write_text("".join(f"{number:05} äöü\n" for number in range(7000)))
    assert make(checkout, "comment", NUMBER="7").returncode == 0
    *lines, empty, last = (checkout / "gh-body").read_text().splitlines()
    assert lines == [f"{number:05} äöü" for number in range(len(lines))] and len(lines) == 65_000 // len("00000 äöü\n".encode())
    assert empty == "" and last == "The rest is too long for a comment; `make comparison` writes all of it."


def test_the_demo_is_compared_whatever_rounding_its_songs_have(checkout):
    summary = checkout / "summary"
    for sdrs, passes in ((BASE - 0.6, True), (BASE - 2, False)):  # to the branch's BASE - 0.5
        History(checkout).write(sdrs, hashes={"data/stems/test": "other"})
        done = make(checkout, "demo-check", GITHUB_STEP_SUMMARY=str(summary))
        assert (done.returncode == 0) == passes and "against HEAD (" in done.stdout
    assert summary.read_text().count("against HEAD (") == 2


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_step_is_a_goal_or_a_pinned_action(path):
    content = read(path)
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert set(job.get("permissions", {})) <= {"contents", "pull-requests"} and job["timeout-minutes"] <= 30
        for step in job["steps"]:
            if "run" in step:
                make, goal = step["run"].split(" ")
                assert make == "make" and goal in GOALS
            else:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
            if "checkout" in step.get("uses", ""):
                assert step["with"]["fetch-depth"] == 0 and step["with"]["persist-credentials"] is False


def test_every_change_passes_the_same_checks_everywhere():
    checks = [step["run"] for step in read(ROOT / ".github/workflows/checks.yml")["jobs"]["checks"]["steps"] if "run" in step]
    here = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    assert [check for check in checks if check != "make workflows"] == here  # which needs node


def test_the_hooks_before_a_commit_are_programs_of_the_environment():
    (local,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local" and len(local["hooks"]) >= 5
    for hook in local["hooks"]:
        program = Path(hook["entry"].removeprefix("env NO_MKDOCS_2_WARNING=1 ").split()[0])
        assert hook["language"] == "system" and program.parent == Path(".venv/bin")
        assert Path(sys.executable).with_name(program.name).is_file()
