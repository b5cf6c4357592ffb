"""Where the recordings of the chosen provider lie."""

from pathlib import Path

from unsung.config.params import of_the_user
from unsung.errors import UserError
from unsung.restyle.schema import Params


def root_of(raw: Path, params: Params) -> Path:
    """Where the recordings lie: in `raw` if composed, else in data.root, from the checkout on.

    Raises:
        UserError: there is no such folder.
    """
    if params.data.provider == "demo":
        return raw
    root = of_the_user("data.root", params.data.root)
    if not root.is_dir():
        raise UserError(f"data.root is {root}, which is not a folder; set it to the folder with your recordings")
    return root
