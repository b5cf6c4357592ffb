"""params.yaml, loaded and checked.

Values are checked when they are loaded, so a stage never meets a wrong one: an unknown key, a missing key, a value of
another type and a combination that cannot work are each one line naming the key.
"""

import os
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.config.schema import Params, params_schema
from unsung.config.section import validate
from unsung.errors import UserError


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or a value in it is missing, unknown or impossible.
    """
    try:
        values = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run from the project's folder") from None
    except YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    return validate(params_schema(), values, str(path))


def data_root(params: Params) -> Path:
    """The user's folder of tracks; a relative one starts at the main checkout, also in a queued experiment."""
    return Path(os.environ.get("DVC_ROOT", "."), Path(params.data.root).expanduser())


def resume_folder(params: Params) -> Path | None:
    """The model folder to begin training with, if there is one; a relative one starts at the main checkout, as data.root does.

    Raises:
        UserError: it is in this checkout's models/, which DVC empties before it trains.
    """
    if not params.train.resume_from:
        return None
    folder = Path(os.environ.get("DVC_ROOT", "."), Path(params.train.resume_from).expanduser())
    if folder.resolve().is_relative_to(Path("models").resolve()):
        what = "is in models/, which DVC empties before it trains"
        raise UserError(f"train.resume_from ({folder}) {what}; bring it back by dvc checkout models and copy it to another folder")
    return folder
