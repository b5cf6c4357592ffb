"""The steps of .github/workflows, run as a runner would; GitHub's API is a server on loopback that keeps comments."""

import importlib.util
import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.comparing.test_comparison import BASE, History
from tests.conftest import ROOT
from unsung.comparing.comment import MARK

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
spec = importlib.util.spec_from_file_location("rehearse", ROOT / ".github" / "rehearse.py")
rehearse = importlib.util.module_from_spec(spec)
sys.modules["rehearse"] = rehearse
spec.loader.exec_module(rehearse)


class GitHub:
    """The comments of an issue, in pages of two; what it was asked."""

    def __init__(self):
        self.comments, self.asked, github = [], [], self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, content, status=200, link=""):
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if link:
                    self.send_header("Link", link)
                self.end_headers()
                self.wfile.write(body)

            def handle_one(self):
                length = int(self.headers.get("Content-Length", 0))
                given = json.loads(self.rfile.read(length)) if length else {}
                github.asked.append((self.command, self.path.split("?")[0], self.headers["Authorization"]))
                if self.headers["Authorization"] != "Bearer token":
                    self.answer({"message": "Bad credentials"}, 401)
                elif self.command == "GET":
                    page = int((re.search(r"[?&]page=(\d+)", self.path) or [0, 1])[1])
                    more = f'<{github.address}{self.path.split("?")[0]}?page={page + 1}>; rel="next"'
                    shown = github.comments[2 * page - 2 : 2 * page]
                    self.answer(shown, link=more if len(github.comments) > 2 * page else "")
                elif self.command == "POST":
                    github.add(given["body"])
                    self.answer(github.comments[-1], 201)
                else:
                    one = next(one for one in github.comments if one["url"].endswith(self.path))
                    one["body"] = given["body"]
                    self.answer(one)

            do_GET = do_POST = do_PATCH = handle_one

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, body, login="github-actions[bot]"):
        url = f"{self.address}/repos/owner/name/issues/comments/{len(self.comments)}"
        self.comments.append({"url": url, "body": body, "html_url": url, "user": {"login": login}})


@pytest.fixture
def github():
    found = GitHub()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def checkout(tmp_path):
    """What actions/checkout leaves of a pull request: a clone with origin/main, at the head; and the environment, already there."""
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
    for name in (".github", "Makefile", "requirements.txt", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name, code in (("python", ""), ("unsung", "-m unsung.cli.run")):
        command = f'exec {sys.executable} -c "from unsung.cli import run; run()" "$@"' if code else f'exec {sys.executable} "$@"'
        path = folder / ".venv" / "bin" / name
        path.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT / 'src'} {command}\n")
        path.chmod(0o755)
    (folder / ".venv" / "installed").touch()
    return folder


def report(checkout, github, head_repository="owner/name"):
    context = rehearse.pull_request("owner/name", head_repository, "main", number=7)
    found = rehearse.Rehearsal(checkout, context, {"GITHUB_API_URL": github.address})
    return found, found.run("report", "report")


def test_a_fall_is_posted_and_fails(checkout, github):
    found, status = report(checkout, github)
    assert status == 1  # below -0.3 dB
    (comment,) = github.comments
    assert comment["body"].startswith(MARK) and "## Worse: HEAD (" in comment["body"]
    assert "`vocals.sdr` 8.50 -> 8.00 dB" in comment["body"] and "worse by more than 0.3 dB" in comment["body"]
    sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()
    assert f"https://github.com/owner/name/blob/{sha}/reports/figures/" in comment["body"]
    assert (checkout / ".scratch" / "pictures" / "differences.png").is_file()
    assert found.summary == ""


def test_the_comment_is_updated_where_it_was(checkout, github):
    for body, login in (("Nice!", "a"), (f"{MARK}\nnot yours", "b"), (f"{MARK}\nold", "github-actions[bot]"), ("Thanks", "a")):
        github.add(body, login)
    report(checkout, github)
    assert [comment["body"] for comment in github.comments[:2]] == ["Nice!", f"{MARK}\nnot yours"]
    assert len(github.comments) == 4 and "8.50 -> 8.00" in github.comments[2]["body"]
    assert [asked[0] for asked in github.asked] == ["GET", "GET", "PATCH"]


def test_from_a_fork_it_is_the_summary(checkout, github):
    found, status = report(checkout, github, head_repository="somebody/name")
    assert status == 1 and github.asked == []
    assert found.summary.startswith(MARK) and "https://github.com/somebody/name/blob/" in found.summary


def test_an_improvement_passes(checkout, github):
    history = History(checkout)
    history.commit(BASE + np.linspace(0.1, 0.5, 8))
    _, status = report(checkout, github)
    assert status == 0 and "## Better: HEAD (" in github.comments[0]["body"]


def test_a_first_run_has_a_comment_too(checkout, github):
    """Where the branch began there was no run."""
    subprocess.run(["git", "rm", "-q", "-r", "metrics", "reports"], cwd=checkout, check=True)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "nothing"], cwd=checkout, check=True)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=checkout, check=True)
    History(checkout).commit(BASE)
    _, status = report(checkout, github)
    assert status == 0 and "## Not comparable: HEAD (" in github.comments[0]["body"]


def test_the_demo_is_compared_whatever_rounding_its_songs_have(checkout):
    """The step of checks.yml that looks at what `make demo` came to, here the workspace."""
    step = next(step for step in YAML(typ="safe").load(WORKFLOWS[0])["jobs"]["demo"]["steps"] if "compare" in step.get("run", ""))
    rehearsal = rehearse.Rehearsal(checkout, {"github.repository": "owner/name"})
    history = History(checkout)
    for sdrs, expected in ((BASE - 0.6, 0), (BASE - 2, 3)):  # to the branch's BASE - 0.5
        history.write(sdrs, hashes={"data/stems/test": "other"})
        assert rehearsal.step({"shell": "bash", **step}, {}) == expected
    assert rehearsal.summary.count(MARK) == 2
    assert rehearsal.step({"shell": None, **step}, {}) == 0  # why the workflows name their shell: a pipe's failure counts


def test_a_comparison_that_breaks_is_an_error_and_posts_nothing(checkout, github):
    (checkout / "dvc.lock").unlink()
    subprocess.run(["git", "rm", "-q", "-r", "--cached", "dvc.lock"], cwd=checkout, check=True)
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"], cwd=checkout, check=True)
    found, status = report(checkout, github)
    assert (
        status == 1
        and github.asked == []
        and "dvc.lock is not in HEAD" in found.log + (checkout / ".scratch/comment.md").read_text()
    )


def test_a_token_that_may_not_write_is_one_line(checkout, github, tmp_path):
    (tmp_path / "comment.md").write_text(f"{MARK}\nx")
    environment = {"GITHUB_API_URL": github.address, "GITHUB_REPOSITORY": "owner/name", "GITHUB_TOKEN": "wrong"}
    command = [sys.executable, ROOT / ".github" / "comment.py", "7", tmp_path / "comment.md"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("the comment could not be posted: 401") and done.stderr.count("\n") == 1


def test_a_long_comment_is_cut(github, tmp_path):
    (tmp_path / "comment.md").write_text(f"{MARK}\n" + "x" * 70_000)
    environment = {"GITHUB_API_URL": github.address, "GITHUB_REPOSITORY": "owner/name", "GITHUB_TOKEN": "token"}
    command = [sys.executable, ROOT / ".github" / "comment.py", "7", tmp_path / "comment.md"]
    subprocess.run(command, env=environment, check=True)
    assert len(github.comments[0]["body"]) < 65_536 and "too long for a comment" in github.comments[0]["body"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_do_little_and_their_actions_are_pinned(path):
    content = YAML(typ="safe").load(path)
    assert content["permissions"] == {"contents": "read"} and content["defaults"]["run"]["shell"] == "bash"
    for job in content["jobs"].values():
        assert set(job.get("permissions", {})) <= {"contents", "pull-requests"} and job["timeout-minutes"] <= 30
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
            if "checkout" in step.get("uses", ""):
                assert step["with"]["fetch-depth"] == 0 and step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", "")  # what others name could be a command there


def test_the_checks_are_goals_that_exist():
    goals = set(re.findall(r"^([a-z.]+)[^:=\n]*:", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [
        step["run"]
        for path in WORKFLOWS
        for job in YAML(typ="safe").load(path)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    wanted = {goal for step in steps for goal in re.findall(r"\bmake ([a-z]+)", step)}
    assert {"lint", "types", "test", "locked", "demo"} <= wanted <= goals
    assert Path(ROOT / ".ci" / "run").read_text().count("make ") == 4
