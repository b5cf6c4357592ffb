"""Sources of tracks. A provider is one file here with a function `tracks`, and one line in PROVIDERS.

    tracks(root, params) -> the tracks below `root`, in an order that is always the same
    fetch(root, params)  -> optional: bring the recordings below `root` first, where the provider can
    TAKES_A_COPY         -> optional: True where a copy that lies in data.root is used instead of fetching

Its own knobs are `providers.<name>` in params.yaml; its page in docs/data.md says size, licence and what is wrong with it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast

from unsung.data.providers import demo, folder, mir1k, moisesdb, musdb18, musdb18_7s, musdb18hq, slakh2100
from unsung.data.tracks import Recording
from unsung.errors import UserError
from unsung.params import Params, data_root


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
    """Bring the chosen dataset here if it can be brought, and list it: its root and its tracks.

    Raises:
        UserError: the root is not a folder, or what lies there is not as the provider needs it.
    """
    module = PROVIDERS[params.data.provider]
    root = root_of(raw, params)
    if root == raw:
        module.fetch(root, params)  # type: ignore[attr-defined]
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder of your tracks")
    return root, list(cast(Provider, module).tracks(root, params))


def root_of(raw: Path, params: Params) -> Path:
    """Where the chosen provider's recordings lie: in `raw` if it fetches them, else in the user's own folder.

    What can be fetched is fetched, unless there may be a copy and data.root is no longer the project's empty folder.
    """
    module = PROVIDERS[params.data.provider]
    fetches = hasattr(module, "fetch") and not (getattr(module, "TAKES_A_COPY", False) and params.data.root != EMPTY)
    return raw if fetches else data_root(params)
