"""Sources of recordings. A provider is one file here with a function `tracks`, and one line in PROVIDERS.

    tracks(root, params)  -> the recordings below `root`, in an order that is always the same
    ARCHIVE               -> optional: the Remote that they are brought from, unless data.root is a copy
    compose(root, params) -> optional: make the recordings below `root` first

Its own knobs are `providers.<name>` in params.yaml; its page in docs/data.md says size, licence and what is wrong with it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from unsung.config.params import Params, data_root
from unsung.data.fetch import bring
from unsung.data.providers import demo, folder, mir1k, moisesdb, musdb18, musdb18_7s, musdb18hq, slakh2100
from unsung.data.tracks import Recording
from unsung.errors import UserError


class Provider(Protocol):
    """What a provider's module offers."""

    def tracks(self, root: Path, params: Params) -> Iterable[Recording]:
        """List the tracks below `root`."""
        ...


EMPTY = "songs"  # data.root as it comes
PROVIDERS = {
    "demo": demo,
    "folder": folder,
    "musdb18hq": musdb18hq,
    "musdb18": musdb18,
    "musdb18_7s": musdb18_7s,
    "moisesdb": moisesdb,
    "slakh2100": slakh2100,
    "mir1k": mir1k,
}


def provide(raw: Path, params: Params) -> tuple[Path, list[Recording]]:
    """Compose or bring the chosen dataset if need be, and list it: its root and its recordings.

    Raises:
        UserError: the root is not a folder, or what lies there is not as the provider needs it.
    """
    module = PROVIDERS[params.data.provider]
    if hasattr(module, "compose"):
        module.compose(raw, params)
    root = root_of(raw, params)
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder of your tracks")
    return root, list(cast(Provider, module).tracks(root, params))


def root_of(raw: Path, params: Params) -> Path:
    """Where the chosen provider's recordings lie: in `raw` if it composes them, else where they are brought or in data.root.

    What can be downloaded is, unless data.root is no longer the project's empty folder: then there is a copy. What was downloaded
    and is gone is downloaded again.
    """
    module = PROVIDERS[params.data.provider]
    if hasattr(module, "compose"):
        return raw
    if hasattr(module, "ARCHIVE") and params.data.root == EMPTY:
        return bring(module.ARCHIVE, params.compute)
    return data_root(params)
