"""What a git revision says of its run: its metrics, params, scores by track, pictures, and the hashes of its data and weights.

Nothing is checked out and no data are needed: all of it lies in git, dvc.lock for the hashes.
"""

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from unsung.errors import UserError

WORKSPACE = "the workspace"
METRICS, TRACKS, PARAMS, LOCK = "metrics/separation.json", "reports/tracks.csv", "params.yaml", "dvc.lock"
SPLITS = {split: f"data/stems/{split}" for split in ("train", "valid", "test")}
WEIGHTS = "models/best"


@dataclass(frozen=True)
class Revision:
    """A commit, or the workspace where `sha` is empty."""

    name: str
    sha: str

    @classmethod
    def of(cls, name: str | None) -> "Revision":
        """The commit that git knows by this name; nothing is the workspace.

        Raises:
            UserError: git knows no such revision.
        """
        if name is None:
            return cls(WORKSPACE, "")
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found.returncode:
            raise UserError(
                f"git knows no revision {name!r} here; fetch it (all of the history: git fetch --unshallow) or mend its name"
            )
        return cls(name, found.stdout.decode().strip())

    def read(self, path: str) -> bytes | None:
        """A file, or nothing where it is not."""
        if not self.sha:
            return Path(path).read_bytes() if Path(path).is_file() else None
        found = _git("show", f"{self.sha}:./{path}")
        return None if found.returncode else found.stdout

    @cached_property
    def metrics(self) -> dict[str, float]:
        """By dotted names."""
        return {key: float(value) for key, value in flat(json.loads(self._needed(METRICS))).items()}

    @cached_property
    def params(self) -> dict[str, Any]:
        """By dotted names; what changes no result (compute) is left out."""
        values = YAML(typ="safe").load(self._needed(PARAMS))
        return flat({key: value for key, value in values.items() if key != "compute"})

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row for each test track, as tables.wide has it."""
        return pd.read_csv(io.BytesIO(self._needed(TRACKS)))

    @cached_property
    def hashes(self) -> dict[str, str]:
        """What every path that dvc.lock names was when it was used last, by its path."""
        stages = YAML(typ="safe").load(self._needed(LOCK))["stages"].values()
        return {
            part["path"]: str(part.get("md5", "")) for stage in stages for kind in ("outs", "deps") for part in stage.get(kind, [])
        }

    def _needed(self, path: str) -> bytes:
        found = self.read(path)
        if found is None:
            raise UserError(f"{path} is not in {self.name}; run dvc repro there and commit what it writes")
        return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of values by dotted names."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return found


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not here; install it to compare revisions") from None
