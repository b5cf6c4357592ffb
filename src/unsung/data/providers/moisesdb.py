"""moisesdb: MoisesDB, 240 songs of 44.1 kHz stereo as WAV, a file for each instrument, grouped into up to 11 stems.

Pereira, Araujo, Korzeniowski and Vogl 2023, arXiv:2307.15913. CC BY-NC-SA 4.0. 89 GB zipped (moisesdb.zip, SHA-256 4cde33ce416ac7c8
68cffcb60eb31f5c741ab7ae5601cbb9d99ed498b72c48c1, says its README), about 150 GB extracted, 14.4 hours. It is given out on request
at https://music.ai/research, by a link that expires, so it cannot be fetched: data.root is where it was extracted.

A song is a folder with data.json and <stem>/<id>.wav; the mixture is the sum. It has no official split: ours is by the hash of
the song's folder. Stems of about 50 songs end before others, by up to 15 s; they are filled up with silence, as the dataset's own
reader does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from unsung.data.providers.base import DrawnSplits, Facts, Limited
from unsung.data.providers.layout import drawn_splits, grouped, limited
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError

FACTS = Facts(
    title="MoisesDB",
    songs="240",
    hours="14.4",
    format="44.1 kHz stereo, a WAV for each instrument",
    download="89 GB, on request",
    licence="CC-BY-NC-SA-4.0",
    citation=("Pereira, Araújo, Korzeniowski and Vogl (2023). MoisesDB: A Dataset for Source Separation Beyond 4-Stems. ISMIR"),
    url="https://doi.org/10.48550/arXiv.2307.15913",
)

STEMS = Literal["vocals", "bass", "drums", "guitar", "other_plucked", "percussion", "piano", "other_keys", "bowed_strings", "wind"]


class Settings(DrawnSplits, Limited):
    """`providers.moisesdb` in params.yaml."""

    stems: Annotated[tuple[STEMS, ...], Field(min_length=1)]
    bleed: bool


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song in the order of its folder, at most `providers.moisesdb.limit` of each split.

    Raises:
        UserError: there is no song, a data.json cannot be understood, or a file that it names is missing.
    """
    return limited(_songs(root, settings, targets), settings.limit)


def _songs(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
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
                found = _sources(folder, files)
                stems = grouped(found, settings.stems, targets, "moisesdb")
                yield Recording(name, splits[folder.name], stems, ragged=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{folder / 'data.json'} is not as MoisesDB has it ({error!r}); extract it again") from None


def _sources(folder: Path, files: list[tuple[str, dict[str, Any]]]) -> dict[str, list[Source]]:
    """The files of each stem; the same stem may be listed several times."""
    found: dict[str, list[Source]] = {}
    for stem, track in files:
        path = folder / stem / f"{track['id']}.{track['extension'].lstrip('.')}"
        if not path.is_file():
            raise UserError(f"{path} is missing; extract MoisesDB again")
        found.setdefault(stem, []).append(Source(path))
    return found
