"""unsung: what would this song be if nobody sang?"""

from typing import TYPE_CHECKING

from unsung.errors import UserError

if TYPE_CHECKING:
    from unsung.api import Model, load

__all__ = ["Model", "UserError", "load"]


def __getattr__(name: str) -> object:
    """Import `load` and `Model` when they are first used, because torch takes seconds.

    The version is looked up when it is asked for, because that takes a while, too.
    """
    if name == "__version__":
        return _version()
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from unsung import api

    return getattr(api, name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("unsung")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
