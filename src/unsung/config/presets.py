"""Presets: presets/<name>.yaml holds the few values that a dataset or a machine wants other than the demo's.

A preset is written into params.yaml, where every value can be seen and changed; comments and all other values stay. It starts
from presets/demo.yaml, which has the demo's value for every key that any preset changes, so that going from one to another
leaves nothing of the first.
"""

import difflib
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.config.schema import params_schema
from unsung.config.section import validate
from unsung.errors import UserError
from unsung.files import atomically

DEMO = "demo"


def apply(name: str, root: str = "", folder: Path = Path("presets"), path: Path = Path("params.yaml")) -> str:
    """Write a preset into a params file, with `root` as its data.root if given; the difference that made, as a unified diff.

    Raises:
        UserError: there is no such preset or params file, or one of them does not fit the schema.
    """
    before = _read(path, f"{path} is not here; run from the project's folder")
    known = ", ".join(sorted(found.stem for found in folder.glob("*.yaml")))
    values = _load(before, path)
    validate(params_schema(), values, str(path))
    for preset in (DEMO, name):
        file = folder / f"{preset}.yaml"
        _set(values, _load(_read(file, f"there is no preset {preset}, only {known or 'nothing'} ({folder}/)"), file), file)
    if root:
        values["data"]["root"] = root
    validate(params_schema(), values, str(path))
    after = StringIO()
    _yaml().dump(values, after)
    with atomically(path) as partial:
        partial.write_text(after.getvalue())
    return "".join(
        difflib.unified_diff(before.splitlines(True), after.getvalue().splitlines(True), str(path), f"{path} ({name})", n=0)
    )


def _yaml() -> YAML:
    """Keeps comments, order and the way numbers are written."""
    yaml = YAML()
    yaml.width = 10_000  # never folds a line
    return yaml


def _read(path: Path, missing: str) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise UserError(missing) from None


def _load(text: str, path: Path) -> Any:
    try:
        return _yaml().load(text)
    except YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None


def _set(values: Any, wanted: Any, file: Path, above: str = "") -> None:
    """Put the values of `wanted` in place, keeping what the keys beside them are."""
    if not isinstance(wanted, dict):
        raise UserError(f"{file} has no sections; give it keys and values as in params.yaml")
    for key, value in wanted.items():
        if key not in values or isinstance(values[key], dict) != isinstance(value, dict):
            raise UserError(f"{above}{key} in {file} is not a parameter; remove it or mend its name")
        if isinstance(value, dict):
            _set(values[key], value, file, f"{above}{key}.")
        elif isinstance(value, list) and isinstance(values[key], list):
            values[key][:] = value  # in place, so that it stays on one line
        elif values[key] != value:
            values[key] = value
