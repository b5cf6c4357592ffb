"""Presets: presets/<name>.yaml holds the values of a dataset or a machine that are not the demo's.

A preset is written into params.yaml, where every value can be seen and changed; comments and all
other values stay. presets/demo.yaml is written first. It has the demo's value for every key that
any preset changes, so nothing is left of an earlier preset.
"""

import difflib
import json
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from unsung import shipped
from unsung.config.params import read_yaml
from unsung.config.schema import params_schema
from unsung.config.section import validate
from unsung.errors import UserError
from unsung.files import atomically, check_place

TUNING = {"learning_rate": 5.0e-4, "warmup_steps": 100}  # of weights that are good already


def apply(name: str, root: str = "", begin: str = "", folder: Path = Path("presets"), path: Path = Path("params.yaml")) -> str:
    """Write a preset into a params file, with `root` as its data.root if given.

    With `begin`, a shipped model's name or a model folder, training begins with its weights: the
    params get its targets, sample rate, STFT, network and process.

    Returns the difference as a unified diff.

    Raises:
        UserError: there is no such preset, params file or model, one of them does not fit the
            schema, or `root` or `begin` has letters that cannot be written.
        OSError: the params file may not be written.
    """
    for option, value in (("--root", root), ("--from", begin)):
        if not value.isprintable():
            raise UserError(f"{option} {value!a} has letters that are not Unicode's or cannot be shown; rename the folder")
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
    if begin:
        _set(values, _of_model(begin), shipped.folder_of(Path(begin)) / shipped.CONFIG)
        values["train"].update({"resume_from": begin, **TUNING})
    if root:
        values["data"]["root"] = root
    validate(params_schema(), values, str(path))
    yaml.dump(values, after)
    with atomically(path) as partial:
        partial.write_text(after.getvalue(), "utf-8")
    old, new = before.splitlines(True), after.getvalue().splitlines(True)
    return "".join(difflib.unified_diff(old, new, str(path), f"{path} ({name})", n=0))


def _of_model(name: str) -> dict[str, Any]:
    """The params that describe a model, from its config."""
    path = shipped.folder_of(Path(name)) / shipped.CONFIG
    try:
        found = json.loads(path.read_text("utf-8"))
        return {
            "audio": {key: found[key] for key in ("sample_rate", "channels")},
            "stft": {key: found[key] for key in ("n_fft", "hop_length")},
            "model": {key: found[key] for key in ("targets", "network", "process")},
            "networks": {found["network"]: found["network_settings"]},
            "processes": {found["process"]: {"forward": found["process_settings"]}},
        }
    except (FileNotFoundError, NotADirectoryError):
        names = ", ".join(shipped.names())
        raise UserError(
            f"{name} is not a model folder: {shipped.CONFIG} is missing; name one, or a shipped model ({names})"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not the config of a model that this version can read; get the model anew") from None


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
