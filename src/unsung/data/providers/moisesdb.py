"""moisesdb: MoisesDB, songs with a file for each instrument, grouped into up to 11 stems.

It is given out on request (https://music.ai/research) by a link that expires, so data.root is where
it was extracted. SHA-256 of moisesdb.zip, says its README:
4cde33ce416ac7c868cffcb60eb31f5c741ab7ae5601cbb9d99ed498b72c48c1. A song is a folder with data.json
and <stem>/<id>.wav; the mixture is the sum. Splits are drawn by the hash of the song's folder. Some
stems end early; they are filled up with silence, as the dataset's own reader does.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import DrawnSplits, Facts, Limited
from unsung.data.providers.layout import Folder, drawn_splits, grouped, lacking, walk
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError

FACTS = Facts(
    title="MoisesDB", songs="240", hours="14.4", format="44.1 kHz stereo, a WAV for each instrument",
    download="89 GB, on request", licence="CC-BY-NC-SA-4.0", url="https://doi.org/10.48550/arXiv.2307.15913",
    citation="Pereira, Araújo, Korzeniowski and Vogl (2023). MoisesDB: A Dataset for Source Separation Beyond 4-Stems. ISMIR",
)  # fmt: skip
STEMS = Literal["vocals", "bass", "drums", "guitar", "other_plucked", "percussion", "piano", "other_keys", "bowed_strings", "wind"]
File = tuple[str, Path, bool]  # the stem, the file, whether another stem is heard in it


class Settings(DrawnSplits, Limited):
    """`providers.moisesdb` in params.yaml."""

    stems: Annotated[tuple[STEMS, ...], Field(min_length=1)]
    bleed: bool


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song in the order of its folder.

    Raises:
        UserError: there is no song, or a target is not among the stems.
    """
    folders = walk(root)
    songs = [folder.path for folder in folders if any(path.name == "data.json" for path in folder.files)]
    if not songs:
        raise UserError(f"{root} holds no song with a data.json; set data.root to where MoisesDB was extracted")
    lost = {**dict.fromkeys(_without_facts(folders, songs), "no data.json"), **{f.path: f.fault for f in folders if f.fault}}
    splits = drawn_splits([folder.name for folder in (*songs, *lost)], settings.valid, settings.test, str(root))
    for folder in sorted({*songs, *lost}):
        name, files, fault = (folder.name, [], lost[folder]) if folder in lost else _listed(folder)
        if settings.bleed or not any(bleeds for _, _, bleeds in files):
            sources: dict[str, list[Source]] = {}
            for stem, path, _ in files:
                sources.setdefault(stem, []).append(Source(path))
            stems = grouped(sources, settings.stems, targets, "moisesdb")
            yield Recording(name, splits[folder.name], stems, ragged=True, fault=fault)


def _without_facts(folders: Sequence[Folder], songs: Sequence[Path]) -> set[Path]:
    """Folders beside those of songs that hold audio and no data.json."""
    beside = {song.parent for song in songs} & {folder.path for folder in folders}
    heard = [folder.path for folder in folders if any(path.suffix.lower() in EXTENSIONS for path in folder.files)]
    outermost = {path for place in heard for path in (place, *place.parents) if path.parent in beside}
    return outermost - set(songs) - {parent for song in songs for parent in song.parents}


def _listed(folder: Path) -> tuple[str, list[File], str]:
    """What a data.json names: the song and its files; and why it cannot be used."""
    try:
        facts = json.loads((folder / "data.json").read_bytes())
        name = f"{facts['artist']} - {facts['song']} ({folder.name[:8]})".replace("/", "_")
        named = [(str(group["stemName"]), track) for group in facts["stems"] for track in group["tracks"]]
        files = [(stem, folder / stem / _file_name(track), bool(track.get("has_bleed"))) for stem, track in named]
    except OSError as error:
        return folder.name, [], f"data.json: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return folder.name, [], f"data.json is not as MoisesDB has it: {type(error).__name__}"
    return name, files, lacking(path for _, path, _ in files)


def _file_name(track: Mapping[str, Any]) -> str:
    return f"{track['id']}.{track['extension'].lstrip('.')}"
