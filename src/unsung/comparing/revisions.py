"""What a git revision says of its run: metrics, params, scores by track, pictures, hashes of outs.

Nothing is checked out, because all of it lies in git (the hashes in dvc.lock). dvc.api could read a
part, but takes two seconds longer and knows neither tracks nor hashes.
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

METRICS, TRACKS, PARAMS, LOCK = "metrics/separation.json", "reports/tracks.csv", "params.yaml", "dvc.lock"
SPLITS = {split: f"data/stems/{split}" for split in ("train", "valid", "test")}


@dataclass(frozen=True)
class Revision:
    """A commit, or the workspace where `sha` is empty."""

    name: str
    sha: str

    @classmethod
    def of(cls, name: str | None) -> "Revision":
        """The commit of this name in git; None is the workspace.

        Raises:
            UserError: git knows no such revision.
        """
        if name is None:
            return cls("the workspace", "")
        parsed = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if parsed.returncode:
            raise UserError(f"git knows no revision {name!r} here; fetch it (git fetch --unshallow gets all) or mend its name")
        return cls(name, parsed.stdout.decode().strip())

    @property
    def title(self) -> str:
        """Its name, and the short hash of its commit."""
        return f"{self.name} ({self.sha[:7]})" if self.sha and not self.sha.startswith(self.name) else self.name[:40]

    def read(self, path: str) -> bytes | None:
        """A file, or None if it is not there."""
        if not self.sha:
            return Path(path).read_bytes() if Path(path).is_file() else None
        shown = _git("show", f"{self.sha}:./{path}")
        return None if shown.returncode else shown.stdout

    @cached_property
    def missing(self) -> list[str]:
        """The files of a run that are not there."""
        return [path for path in (METRICS, TRACKS, PARAMS, LOCK) if self.read(path) is None]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """By dotted names."""
        return {key: float(value) for key, value in flat(self._parsed(METRICS, json.loads)).items()}

    @cached_property
    def params(self) -> dict[str, Any]:
        """By dotted names, without `compute`, which changes no result."""
        return flat({key: value for key, value in self._parsed(PARAMS, YAML(typ="safe").load).items() if key != "compute"})

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row for each test track, as aggregate.wide writes it."""
        file, options = io.BytesIO(self.read(TRACKS) or b"track\n"), {"keep_default_na": False, "na_values": [""]}
        return pd.read_csv(file, dtype={"track": str}, **options).drop_duplicates("track")

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of every path in dvc.lock; that of the last stage if several name it."""
        parts = [part for stage in self._lock.values() for kind in ("outs", "deps") for part in stage.get(kind, [])]
        return {part["path"]: str(part.get("md5", "")) for part in parts}

    @property
    def scoring_code(self) -> list[str]:
        """The paths of the code that the stage `evaluate` ran, from dvc.lock."""
        return [part["path"] for part in self._lock.get("evaluate", {}).get("deps", []) if part["path"].startswith("src/")]

    @cached_property
    def not_run(self) -> list[str]:
        """The params whose values differ from those in dvc.lock."""
        ran = (flat(stage.get("params", {}).get(PARAMS, {})) for stage in self._lock.values())
        last = {name: value for params in ran for name, value in params.items()}
        return [name for name, value in last.items() if name in self.params and self.params[name] != value]

    @cached_property
    def _lock(self) -> dict[str, dict[str, Any]]:
        """The stages of dvc.lock."""
        return self._parsed(LOCK, YAML(typ="safe").load).get("stages") or {}

    def _parsed(self, path: str, parse: Callable[[bytes], Any]) -> dict[str, Any]:
        """The content of a file; empty if it is not there."""
        try:
            content = parse(self.read(path) or b"{}")
        except (ValueError, YAMLError):
            raise UserError(f"{path} of {self.name} cannot be read; mend it (a merge's marks?) or run dvc repro") from None
        if not isinstance(content, dict):
            raise UserError(f"{path} of {self.name} is not what a run writes; mend it or run dvc repro")
        return content


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of values as one dict by dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return leaves


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not here; install it to compare revisions") from None
