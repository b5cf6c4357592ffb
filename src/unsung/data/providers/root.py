"""Where the recordings of the chosen provider lie."""

from pathlib import Path
from types import ModuleType

from unsung.config import registry
from unsung.config.params import data_root
from unsung.config.schema import Params
from unsung.errors import UserError

DEFAULT_ROOT = "songs"  # data.root as it comes


def root_of(raw: Path, params: Params) -> Path:
    """Where the chosen provider's recordings lie: in `raw` if it composes them, else where they were brought or in data.root.

    Raises:
        UserError: there is no such folder.
    """
    module = registry.module(registry.PROVIDERS, params.data.provider)
    if hasattr(module, "compose"):
        return raw
    if is_downloaded(module, params):
        root: Path = module.ARCHIVE.place
        if not root.is_dir():
            raise UserError(f"{root} is gone; bring the dataset again (dvc repro -f download)")
        return root
    root = data_root(params)
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder of your tracks")
    return root


def is_downloaded(module: ModuleType, params: Params) -> bool:
    """What can be downloaded is, unless data.root is no longer the project's empty folder: then there is a copy."""
    return hasattr(module, "ARCHIVE") and params.data.root == DEFAULT_ROOT
