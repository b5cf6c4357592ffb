"""What a git revision says of its run: metrics, params, scores by track, pictures, hashes of outs.

Nothing is checked out, because all of it lies in git (the hashes in dvc.lock). dvc.api could read a
part, but takes two seconds longer and knows neither tracks nor hashes.
"""

import io
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.errors import UserError

METRICS, TRACKS, PARAMS, LOCK = "metrics/separation.json", "reports/tracks.csv", "params.yaml", "dvc.lock"
SPLITS = {split: f"data/stems/{split}" for split in ("train", "valid", "test")}


EMPTY = {METRICS: b"{}", TRACKS: b"track\n", PARAMS: b"{}", LOCK: b"{}"}
Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Stage:
    """A stage in dvc.lock: hashes by path, and params by dotted names."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, Any]

    @classmethod
    def of(cls, stage: Mapping[str, Any]) -> "Stage":
        """As dvc.lock has it."""
        deps, outs = ({part["path"]: str(part.get("md5", "")) for part in stage.get(kind, [])} for kind in ("deps", "outs"))
        return cls(deps, outs, flat(stage.get("params", {}).get(PARAMS, {})))

    @property
    def hashes(self) -> dict[str, str]:
        """Of all paths."""
        return self.outs | self.deps


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
        if parsed.returncode and parsed.stderr:
            raise UserError(f"git cannot be asked here ({_last(parsed.stderr)}); run in the project's folder, a git repository")
        if parsed.returncode:
            raise UserError(f"git knows no revision {name!r} here; fetch it (git fetch --unshallow gets all) or mend its name")
        return cls(name, parsed.stdout.decode().strip())

    @property
    def title(self) -> str:
        """Its name, and the short hash of its commit."""
        return f"{self.name} ({self.sha[:7]})" if self.sha and not self.sha.startswith(self.name) else self.name[:40]

    def read(self, path: str) -> bytes | None:
        """A file, or None if it is not there.

        Raises:
            UserError: git has lost it, or never fetched it.
        """
        if not self.sha:
            return Path(path).read_bytes() if Path(path).is_file() else None
        shown = _git("show", f"{self.sha}:./{path}")
        if shown.returncode and b"does not exist in" not in shown.stderr and b"exists on disk, but not in" not in shown.stderr:
            raise UserError(f"git cannot show {path} of {self.name} ({_last(shown.stderr)}); fetch it, or mend the repository")
        return None if shown.returncode else shown.stdout

    @cached_property
    def missing(self) -> list[str]:
        """The files of a run that are not there."""
        return [path for path in (METRICS, TRACKS, PARAMS, LOCK) if self.read(path) is None]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """By dotted names."""
        return self._parsed(METRICS, lambda text: {key: float(value) for key, value in flat(json.loads(text)).items()})

    @cached_property
    def params(self) -> dict[str, Any]:
        """By dotted names, without `compute`, which changes no result."""
        return self._parsed(PARAMS, lambda text: flat({key: value for key, value in _yaml(text).items() if key != "compute"}))

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row for each test track, as aggregate.wide writes it."""
        return self._parsed(TRACKS, _tracks)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """The hash of every path in dvc.lock; that of the last stage if several name it."""
        return {path: md5 for stage in self._lock.values() for path, md5 in stage.hashes.items()}

    @property
    def scoring_code(self) -> list[str]:
        """The paths of the code that the stage `evaluate` ran, from dvc.lock."""
        return [path for path in self._lock["evaluate"].deps if path.startswith("src/")] if "evaluate" in self._lock else []

    @cached_property
    def not_run(self) -> list[str]:
        """The params whose values differ from those in dvc.lock."""
        last = {name: value for stage in self._lock.values() for name, value in stage.params.items()}
        return [name for name, value in last.items() if name in self.params and self.params[name] != value]

    @cached_property
    def _lock(self) -> dict[str, Stage]:
        """The stages of dvc.lock."""
        return self._parsed(LOCK, lambda text: {name: Stage.of(stage) for name, stage in (_yaml(text).get("stages") or {}).items()})

    def _parsed(self, path: str, parse: Callable[[bytes], Parsed]) -> Parsed:
        """The content of a file; that of an empty one if it is not there.

        Raises:
            UserError: it is broken, or something else than what a run writes.
        """
        try:
            return parse(self.read(path) or EMPTY[path])
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError, YAMLError):
            raise UserError(
                f"{path} of {self.name} is not what a run writes; mend it (a merge's marks?) or run dvc repro"
            ) from None


def _tracks(text: bytes) -> pd.DataFrame:
    table = pd.read_csv(io.BytesIO(text), dtype={"track": str}, keep_default_na=False, na_values=[""])
    if any(kind == object or kind == str for kind in table.drop(columns="track").dtypes):
        raise ValueError("a score is no number")
    return table.drop_duplicates("track")


def _yaml(text: bytes) -> dict[str, Any]:
    values = YAML(typ="safe").load(text)
    if not isinstance(values, dict):
        raise ValueError("not a mapping")
    return values


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of values as one dict by dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return leaves


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except OSError as error:
        raise UserError(f"git cannot be run here ({error.strerror}); install it to compare revisions") from None


def _last(said: bytes) -> str:
    return said.decode(errors="replace").strip().rpartition("\n")[2]
