"""moisesdb: MoisesDB, songs with a file for each instrument, grouped into up to 11 stems.

It is given out on request (https://music.ai/research) by a link that expires, so data.root is where
it was extracted. SHA-256 of moisesdb.zip, says its README:
4cde33ce416ac7c868cffcb60eb31f5c741ab7ae5601cbb9d99ed498b72c48c1. A song is a folder with data.json
and <stem>/<id>.wav; the mixture is the sum. Splits are drawn by the hash of the song's folder. Some
stems end early; they are filled up with silence, as the dataset's own reader does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from unsung.data.providers.base import DrawnSplits, Facts, Limited
from unsung.data.providers.layout import drawn_splits, grouped
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError

FACTS = Facts(
    title="MoisesDB", songs="240", hours="14.4", format="44.1 kHz stereo, a WAV for each instrument",
    download="89 GB, on request", licence="CC-BY-NC-SA-4.0", url="https://doi.org/10.48550/arXiv.2307.15913",
    citation="Pereira, Araújo, Korzeniowski and Vogl (2023). MoisesDB: A Dataset for Source Separation Beyond 4-Stems. ISMIR",
)  # fmt: skip
STEMS = Literal["vocals", "bass", "drums", "guitar", "other_plucked", "percussion", "piano", "other_keys", "bowed_strings", "wind"]


class Settings(DrawnSplits, Limited):
    """`providers.moisesdb` in params.yaml."""

    stems: Annotated[tuple[STEMS, ...], Field(min_length=1)]
    bleed: bool


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song in the order of its folder.

    Raises:
        UserError: there is no song, or a data.json cannot be understood or names a missing file.
    """
    folders = sorted(path.parent for path in root.rglob("data.json"))
    if not folders:
        raise UserError(f"{root} holds no song with a data.json; set data.root to where MoisesDB was extracted")
    splits = drawn_splits([folder.name for folder in folders], settings.valid, settings.test, str(root))
    for folder in folders:
        try:
            facts = json.loads((folder / "data.json").read_text())
            name = f"{facts['artist']} - {facts['song']} ({folder.name[:8]})".replace("/", "_")
            files = [(group["stemName"], track) for group in facts["stems"] for track in group["tracks"]]
            if settings.bleed or not any(track.get("has_bleed") for _, track in files):
                stems = grouped(_sources(folder, files), settings.stems, targets, "moisesdb")
                yield Recording(name, splits[folder.name], stems, ragged=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{folder / 'data.json'} is not as MoisesDB has it ({error!r}); extract it again") from None


def _sources(folder: Path, files: list[tuple[str, dict[str, Any]]]) -> dict[str, list[Source]]:
    """The files of each stem; the same stem may be listed several times."""
    sources: dict[str, list[Source]] = {}
    for stem, track in files:
        path = folder / stem / f"{track['id']}.{track['extension'].lstrip('.')}"
        if not path.is_file():
            raise UserError(f"{path} is missing; extract MoisesDB again")
        sources.setdefault(stem, []).append(Source(path))
    return sources
