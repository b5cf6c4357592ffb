"""mix: several providers in one run. `data.parts` names them, each with a root of its own.

Each part is prepared for itself in data/parts/<provider>, as if it were the only one. Here their
indexes become one. Tracks are called <provider>/<name>. Stems differ between datasets, so each
track is brought to the targets and, as the accompaniment, the sum of all its other stems.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from unsung.config.section import Section
from unsung.data.credits import CREDITS, Credit, read_credits
from unsung.data.providers.base import Facts
from unsung.data.tracks import Recording, read_table
from unsung.errors import UserError

FACTS = Facts(
    title="Several of these in one run", songs="theirs", hours="", format="theirs", download="theirs", licence="that of each"
)


class Settings(Section):
    """`providers.mix` in params.yaml."""


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """None of its own: `join` takes those of the parts.

    Raises:
        UserError: always.
    """
    raise UserError("a mix has no recordings of its own; give it parts (docs/data.md)")


def join(folder: Path, parts: list[str], targets: tuple[str, ...]) -> tuple[pd.DataFrame, list[Credit]]:
    """The index of all tracks of the parts prepared in `folder`, and their credits."""
    tables = [_renamed(read_table(folder / part), part, {*targets, "mixture"}) for part in parts]
    return pd.concat(tables, ignore_index=True), [credit for part in parts for credit in read_credits(folder / part / CREDITS)]


def _renamed(table: pd.DataFrame, part: str, kept: set[str]) -> pd.DataFrame:
    """An index with the part's name before tracks and paths, and with no other stems than `kept`.

    The sources of all others are those of the accompaniment, which is their sum. Where it is to be
    made of a mixture (stems.prepare), that takes only `kept` away.
    """
    stems = table.groupby("track")["stem"].agg(set)
    made = {track for track, some in stems.items() if "mixture" in some and not some & {"accompaniment", "other"}}
    table = table[table["stem"].isin(kept) | ~table["track"].isin(made)]
    path = table["path"].where(table["path"] == "", f"{part}/" + table["path"])
    stem = table["stem"].where(table["stem"].isin(kept), "accompaniment")
    return table.assign(track=f"{part}/" + table["track"], path=path, stem=stem)
