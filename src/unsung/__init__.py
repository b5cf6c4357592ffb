"""unsung: what would this song be if nobody sang?"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from unsung.errors import UserError

if TYPE_CHECKING:
    from unsung.api import Model, load

__all__ = ["Model", "UserError", "load"]

try:
    __version__ = version("unsung")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> object:
    """Import `load` and `Model` when they are first used, because torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from unsung import api

    return getattr(api, name)
