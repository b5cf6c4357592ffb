"""params.yaml, loaded and checked, so that a stage never meets a wrong value.

An unknown key, a missing key, a value of another type and a combination that cannot work are each
one line that names the key.
"""

import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung import shipped
from unsung.config.schema import Params, params_schema
from unsung.config.section import validate
from unsung.errors import UserError


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or a value in it is missing, unknown or
            impossible.
    """
    return validate(params_schema(), read_yaml(path, YAML(typ="safe")), str(path))


def read_yaml(path: Path, yaml: YAML, missing: str = "") -> Any:
    """The values of a YAML file.

    Raises:
        UserError: the file is not there (`missing` is what to say then) or is not YAML.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "is not here"
        raise UserError(missing or f"{path} {what}; run from the project's folder")
    try:
        return yaml.load(path)
    except (YAMLError, ValueError, AttributeError) as error:  # of a date, a number or a tag that cannot be
        raise UserError(f"{path} is not YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply; give it keys and values") from None


def _of_the_user(key: str, path: str) -> Path:
    try:
        return Path(os.environ.get("DVC_ROOT", "."), Path(path).expanduser())
    except RuntimeError:  # ~somebody who has no account
        raise UserError(f"{key} is {path}, and nobody has this home; write the path out") from None


def data_root(params: Params) -> Path:
    """The user's folder of tracks; a relative path starts at the main checkout."""
    return _of_the_user("data.root", params.data.root)


def resume_folder(params: Params) -> Path | None:
    """The model folder to begin training with, if there is one.

    A shipped model has its name; a relative path begins where that of data.root does.

    Raises:
        UserError: it is in this checkout's models/, which DVC empties before it trains.
    """
    if not params.train.resume_from:
        return None
    if params.train.resume_from in shipped.names():
        return shipped.folder_of(Path(params.train.resume_from))
    folder = _of_the_user("train.resume_from", params.train.resume_from)
    if folder.resolve().is_relative_to(Path("models").resolve()):
        what = "is in models/, which DVC empties before it trains"
        raise UserError(f"train.resume_from ({folder}) {what}; bring it back by dvc checkout models and copy it to another folder")
    return folder
