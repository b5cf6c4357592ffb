"""What a git revision says of its run: its metrics, params, scores by track, pictures, and the hashes of its data and weights.

Nothing is checked out and no data are needed: all of it lies in git, dvc.lock for the hashes. dvc.api would do part of this, but
takes two seconds more to start and to read, and knows neither tracks nor hashes.
"""

import io
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.errors import UserError

WORKSPACE = "the workspace"
METRICS, TRACKS, PARAMS, LOCK = "metrics/separation.json", "reports/tracks.csv", "params.yaml", "dvc.lock"
SPLITS = {split: f"data/stems/{split}" for split in ("train", "valid", "test")}
WEIGHTS = "models/best"
SCORING = "evaluate"  # the stage that scores


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
            raise UserError(f"git knows no revision {name!r} here; fetch it (git fetch --unshallow gets all) or mend its name")
        return cls(name, found.stdout.decode().strip())

    @property
    def title(self) -> str:
        """Its name, and which commit that is now."""
        return f"{self.name} ({self.sha[:7]})" if self.sha and not self.sha.startswith(self.name) else self.name[:40]

    def read(self, path: str) -> bytes | None:
        """A file, or nothing where it is not."""
        if not self.sha:
            return Path(path).read_bytes() if Path(path).is_file() else None
        found = _git("show", f"{self.sha}:./{path}")
        return None if found.returncode else found.stdout

    @cached_property
    def missing(self) -> list[str]:
        """Which of the files that a run leaves are not there."""
        return [path for path in (METRICS, TRACKS, PARAMS, LOCK) if self.read(path) is None]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """By dotted names."""
        return {key: float(value) for key, value in flat(self._parsed(METRICS, json.loads)).items()}

    @cached_property
    def params(self) -> dict[str, Any]:
        """By dotted names; what changes no result (compute) is left out."""
        values = self._parsed(PARAMS, YAML(typ="safe").load)
        return flat({key: value for key, value in values.items() if key != "compute"})

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row for each test track, as aggregate.wide has it."""
        found = self.read(TRACKS) or b"track\n"
        kinds = {"dtype": {"track": str}, "keep_default_na": False, "na_values": [""]}
        return pd.read_csv(io.BytesIO(found), **kinds).drop_duplicates("track")

    @cached_property
    def hashes(self) -> dict[str, str]:
        """What every path that dvc.lock names was when it was used last, by its path."""
        parts = [part for stage in self._lock.values() for kind in ("outs", "deps") for part in stage.get(kind, [])]
        return {part["path"]: str(part.get("md5", "")) for part in parts}

    @property
    def scoring_code(self) -> dict[str, str]:
        """The code that the stage `evaluate` ran, as dvc.lock names it, and its hashes."""
        deps = self._lock.get(SCORING, {}).get("deps", [])
        return {part["path"]: str(part.get("md5", "")) for part in deps if part["path"].startswith("src/")}

    @cached_property
    def not_run(self) -> list[str]:
        """The params whose values are not those that dvc.lock was written with."""
        ran: dict[str, Any] = {}
        for stage in self._lock.values():
            ran |= flat(stage.get("params", {}).get(PARAMS, {}))
        return [name for name, value in ran.items() if name in self.params and self.params[name] != value]

    @cached_property
    def _lock(self) -> dict[str, dict[str, Any]]:
        """The stages of dvc.lock."""
        return self._parsed(LOCK, YAML(typ="safe").load).get("stages") or {}

    def _parsed(self, path: str, parse: Callable[[bytes], Any]) -> dict[str, Any]:
        """A file's content, nothing where it is not there."""
        try:
            found = parse(self.read(path) or b"{}")
        except (ValueError, YAMLError):
            raise UserError(f"{path} of {self.name} cannot be read; mend it (a merge's marks?) or run dvc repro") from None
        if not isinstance(found, dict):
            raise UserError(f"{path} of {self.name} is not what a run writes; mend it or run dvc repro")
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
