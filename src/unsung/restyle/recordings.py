"""The recordings of the chosen provider: composed, or found where the user says."""

from pathlib import Path
from types import ModuleType

from unsung.data.tracks import write_index
from unsung.restyle.providers import aligned, demo, starnet, unaligned
from unsung.restyle.root import root_of
from unsung.restyle.schema import Params

PROVIDERS: dict[str, ModuleType] = {"demo": demo, "aligned": aligned, "starnet": starnet, "unaligned": unaligned}


def prepare(raw: Path, params: Params) -> None:
    """Compose the demo's songs into `raw`, or find the user's; write their index there.

    Raises:
        UserError: the root is not a folder, or holds no pairs.
    """
    raw.mkdir(parents=True, exist_ok=True)
    if params.data.provider == "demo":
        demo.compose(raw, params.providers.demo, params.seed, params.compute)
    root, styles = root_of(raw, params), (params.data.source, params.data.target)
    found = list(PROVIDERS[params.data.provider].tracks(root, params.provider, styles))
    write_index(raw, found, root, params.compute)
