"""Where the recordings of the chosen provider lie."""

import os
from pathlib import Path

from unsung.errors import UserError
from unsung.restyle.schema import Params


def root_of(raw: Path, params: Params) -> Path:
    """Where the recordings lie: in `raw` if composed, else in data.root.

    A relative path begins in the folder restyle/ of the main checkout, in queued experiments too.

    Raises:
        UserError: there is no such folder.
    """
    if params.data.provider == "demo":
        return raw
    home = Path(os.environ["DVC_ROOT"], "restyle") if "DVC_ROOT" in os.environ else Path()
    root = home / Path(params.data.root).expanduser()
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder with your recordings")
    return root
