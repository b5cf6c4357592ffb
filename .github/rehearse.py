"""Run a workflow's `run:` steps on this machine, in a fresh clone, as a runner would: to see them work before GitHub does.

    python .github/rehearse.py checks demo        # a workflow, and one of its jobs or all
    python .github/rehearse.py report --base main --head HEAD

Steps with `uses:` are named and passed over. The shell is GitHub's: bash -e, with pipefail where the workflow asks for bash by its
name. Expressions are values of the event and of earlier steps, conditions `==`, `!=` and always().
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

WORKFLOWS = Path(__file__).resolve().parent / "workflows"
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Rehearsal:
    """A job in a checkout, with what GitHub would know: `context` by dotted names, `environment` beside that of the steps."""

    checkout: Path
    context: dict[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""

    def run(self, workflow: str, job: str) -> int:
        """Run the steps of a job; the exit status of the first that fails."""
        whole = YAML(typ="safe").load(WORKFLOWS / f"{workflow}.yml")
        content = whole["jobs"][job]
        shell = whole.get("defaults", {}).get("run", {}).get("shell")
        status = 0
        for step in content["steps"]:
            name = step.get("name", step.get("uses", ""))
            condition = str(step.get("if", "success()"))
            if "uses" in step or not self.holds(condition, status):
                print(f"-- passed over: {name}", flush=True)
                continue
            print(f"-- {name}", flush=True)
            values = {**content.get("env", {}), **step.get("env", {})}
            status = self.step({"shell": shell, **step}, {key: self.filled(str(value)) for key, value in values.items()}) or status
        return status

    def step(self, step: Mapping[str, Any], values: Mapping[str, str]) -> int:
        """Run one step; what it writes to GITHUB_OUTPUT is known to later ones."""
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder, name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
            for path in files.values():
                path.touch()
            keep = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "GIT_", "VIRTUAL_ENV"))}
            given = {
                "CI": "true",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": self.context["github.repository"],
            }
            environment = {**keep, **given, **self.environment, **values, **{key: str(path) for key, path in files.items()}}
            pipefail = ["--noprofile", "--norc", "-o", "pipefail"] if step["shell"] == "bash" else []
            command = ["bash", *pipefail, "-e", "-c", self.filled(step["run"])]
            done = subprocess.run(
                command, cwd=self.checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            print(done.stdout[-4000:], end="", flush=True)
            self.log += done.stdout
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                key, _, value = line.partition("=")
                self.context[f"steps.{step['id']}.outputs.{key}"] = value
            self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return done.returncode

    def filled(self, text: str) -> str:
        """The text with its expressions' values; a KeyError is an expression that this rehearsal does not know."""
        return EXPRESSION.sub(lambda match: self.context[match[1]], text)

    def holds(self, condition: str, status: int) -> bool:
        """Whether a step is to run."""
        if condition == "always()":
            return True
        if status or condition == "success()":
            return not status
        left, sign, right = re.fullmatch(r"(\S+) (==|!=) (\S+)", condition).groups()  # type: ignore[union-attr]
        return (self.context[left] == self.context[right]) == (sign == "==")


def pull_request(repository: str, head_repository: str, base: str, number: int = 1) -> dict[str, str]:
    """What GitHub knows of a pull request, as far as the workflows ask."""
    return {
        "github.repository": repository,
        "github.ref": f"refs/pull/{number}/merge",
        "github.token": "token",
        "github.event.pull_request.number": str(number),
        "github.event.pull_request.base.ref": base,
        "github.event.pull_request.head.repo.full_name": head_repository,
    }


def main() -> None:
    """Clone this repository and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow")
    parser.add_argument("job", nargs="?")
    parser.add_argument("--base", default="main")
    parser.add_argument("--head", default="HEAD")
    options = parser.parse_args()
    here = WORKFLOWS.parent.parent
    jobs = YAML(typ="safe").load(WORKFLOWS / f"{options.workflow}.yml")["jobs"]
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        sha = subprocess.run(
            ["git", "rev-parse", options.head], cwd=here, check=True, capture_output=True, text=True
        ).stdout.strip()
        subprocess.run(["git", "clone", "--quiet", str(here), str(checkout)], check=True)
        subprocess.run(["git", "checkout", "--quiet", "--detach", sha], cwd=checkout, check=True)
        context = pull_request("owner/name", "fork/name", options.base)  # a fork's: nothing is posted
        for job in [options.job] if options.job else jobs:
            rehearsal = Rehearsal(checkout, dict(context))
            status = rehearsal.run(options.workflow, job)
            print(f"== {options.workflow}/{job}: {'passed' if not status else f'failed with {status}'}\n{rehearsal.summary}")
            if status:
                sys.exit(status)


if __name__ == "__main__":
    main()
