"""credits.csv: the recordings of a run with licence and credit, for the report and the model."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from unsung.errors import UserError
from unsung.files import atomically

CREDITS = "credits.csv"
COLUMNS = ("data", "licence", "credit")


@dataclass(frozen=True)
class Credit:
    """A dataset, or a part of one."""

    data: str  # its name
    licence: str  # SPDX, or words
    credit: str = ""  # whom to name


def write_credits(folder: Path, credits: Iterable[Credit]) -> None:
    """Write `folder`/credits.csv."""
    with atomically(folder / CREDITS) as partial:
        pd.DataFrame(map(asdict, credits), columns=COLUMNS).to_csv(partial, index=False, lineterminator="\n")


def read_credits(path: Path) -> list[Credit]:
    """What is in a credits.csv.

    Raises:
        UserError: it is missing, or not as it was written.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); run dvc repro download, which writes it") from None
    if tuple(table.columns) != COLUMNS or table.empty:
        raise UserError(f"{path} is not a table of credits; run dvc repro download, which writes it")
    return [Credit(**row) for row in table.to_dict("records")]
