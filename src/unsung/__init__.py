"""unsung: what would this song be if nobody sang?"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("unsung")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
