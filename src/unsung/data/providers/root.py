"""Where the recordings of the chosen provider lie, or those of each part of a mix."""

from pathlib import Path
from types import ModuleType

from unsung.config import registry
from unsung.config.params import data_root
from unsung.config.schema import Params
from unsung.data.tracks import Roots
from unsung.errors import UserError


def roots_of(raw: Path, params: Params) -> Roots:
    """`root_of` the provider, or of each part of a mix by its name."""
    parts = Path(params.data.root)
    return {name: root_of(parts / name, params.part(name)) for name in params.data.parts} or root_of(raw, params)


def root_of(raw: Path, params: Params) -> Path:
    """Where the recordings lie: in `raw` if composed, where they were downloaded, or in data.root.

    Raises:
        UserError: there is no such folder.
    """
    module = registry.module(registry.PROVIDERS, params.data.provider)
    if hasattr(module, "compose"):
        return raw
    downloaded = is_downloaded(module, params)
    root: Path = module.ARCHIVE.place if downloaded else data_root(params)
    if not root.is_dir() and downloaded:
        raise UserError(f"{root} is gone; bring the dataset again (dvc repro -f download)")
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder of your tracks")
    if Path.cwd().resolve().is_relative_to(root.resolve()):
        raise UserError(f"data.root is {root}, which holds the project itself; set it to the folder of your tracks")
    return root


def is_downloaded(module: ModuleType, params: Params) -> bool:
    """Whether the recordings are downloaded: they can be, and data.root does not name a copy."""
    return hasattr(module, "ARCHIVE") and params.data.root == "songs"  # as it comes
