"""Presets: presets/<name>.yaml holds the values of a dataset or a machine that are not the demo's.

A preset is written into params.yaml, where every value can be seen and changed; comments and all
other values stay. presets/demo.yaml is written first. It has the demo's value for every key that
any preset changes, so nothing is left of an earlier preset.
"""

import difflib
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from unsung.config.params import read_yaml
from unsung.config.schema import params_schema
from unsung.config.section import validate
from unsung.errors import UserError
from unsung.files import atomically, check_place


def apply(name: str, root: str = "", folder: Path = Path("presets"), path: Path = Path("params.yaml")) -> str:
    """Write a preset into a params file, with `root` as its data.root if given.

    Returns the difference as a unified diff.

    Raises:
        UserError: there is no such preset or params file, one of them does not fit the schema, or
            `root` has letters that cannot be written.
        OSError: the params file may not be written.
    """
    if not root.isprintable():
        raise UserError(f"--root {root!a} has letters that are not Unicode's or cannot be shown; rename the folder")
    yaml = YAML()  # keeps comments, order and the way numbers are written
    yaml.width = 10_000  # never folds a line
    values = read_yaml(path, yaml)
    check_place(path)
    before, after = path.read_text("utf-8", "replace"), StringIO()
    validate(params_schema(), values, str(path))
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    for preset in ("demo", name):
        if preset not in known:
            raise UserError(f"there is no preset {preset}, only {', '.join(known) or 'nothing'} ({folder}/)")
        file = folder / f"{preset}.yaml"
        _set(values, read_yaml(file, yaml), file)
    if root:
        values["data"]["root"] = root
    validate(params_schema(), values, str(path))
    yaml.dump(values, after)
    with atomically(path) as partial:
        partial.write_text(after.getvalue(), "utf-8")
    old, new = before.splitlines(True), after.getvalue().splitlines(True)
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} ({name})", n=0))


def _set(values: Any, wanted: Any, file: Path, above: str = "") -> None:
    """Put the values of `wanted` in place; the keys beside them keep theirs."""
    if not isinstance(wanted, dict):
        raise UserError(f"{file} has no sections; give it keys and values as in params.yaml")
    for key, value in wanted.items():
        if key not in values or isinstance(values[key], dict) != isinstance(value, dict):
            raise UserError(f"{above}{key} in {file} is not a parameter; remove it or mend its name")
        if isinstance(value, dict) and (not values[key] or values[key].fa.flow_style()):  # in braces: one value
            values[key] = CommentedMap(value)
            values[key].fa.set_flow_style()
        elif isinstance(value, dict):
            _set(values[key], value, file, f"{above}{key}.")
        elif isinstance(value, list) and isinstance(values[key], list):
            values[key][:] = value  # in place, so that it stays on one line
        elif values[key] != value:
            values[key] = value
