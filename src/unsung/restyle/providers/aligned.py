"""aligned: your own pairs, two folders of recordings with the same file names.

    root/pop/First Song.wav      root/carol/First Song.wav

The folders are called as data.source and data.target. Below them may be folders train, valid and
test; else the splits are drawn by the hash of the names, and adding a song moves no other one.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.providers.layout import drawn_splits, walk
from unsung.data.tracks import SPLITS, Recording, Split
from unsung.errors import UserError

__all__ = ["Settings", "tracks"]


def tracks(root: Path, settings: Settings, styles: tuple[str, str]) -> Iterator[Recording]:
    """Every song of either folder; one without its pair says so in its `fault`.

    Raises:
        UserError: a folder is not there, or no song is in both.
    """
    found = {style: songs_of(root, style) for style in styles}
    paired = [name for name in found[styles[0]] if name in found[styles[1]]]
    if not paired:
        here, there = (next(iter(found[style]), "nothing") for style in styles)
        what = f"{root} has no pair: {styles[0]}/ has {here}, {styles[1]}/ has {there}"
        raise UserError(f"{what}; give both recordings of a song the same file name")
    splits = splits_of(paired, settings, str(root))
    for name in dict.fromkeys([*found[styles[0]], *found[styles[1]]]):
        files = {style: found[style][name] for style in styles if name in found[style]}
        lacking = [style for style in styles if style not in files]
        recording = Recording.of_files(_shown(name), splits.get(name, "train"), {} if lacking else files)
        yield replace(recording, fault=f"it is not in {lacking[0]}/" if lacking else "")


def songs_of(root: Path, style: str) -> dict[str, Path]:
    """The audio files of a style by their paths below its folder, without endings.

    Raises:
        UserError: there is no such folder, it has no audio, or two files have one name.
    """
    folder = root / style
    if not folder.is_dir():
        raise UserError(f"{root} has no folder {style}; make one with the recordings in this style, or mend data.source and target")
    found: dict[str, Path] = {}
    for path in (path for below in walk(folder) for path in below.files if path.suffix.lower() in EXTENSIONS):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(f"{path} and {found[name].name} have one name; remove one of them")
        found[name] = path
    if not found:
        raise UserError(f"{folder} has no audio files; put the recordings in this style there")
    return found


def splits_of(names: list[str], settings: Settings, where: str) -> dict[str, Split]:
    """The splits that the names begin with, or drawn by their hashes.

    Raises:
        UserError: there are too few names, or some lie outside train, valid and test.
    """
    given: dict[str, Split] = {name: split for name in names for split in SPLITS if name.startswith(f"{split}/")}
    if not given:
        return drawn_splits(names, settings.valid, settings.test, where)
    if outside := [name for name in names if name not in given]:
        raise UserError(f"{outside[0]} below {where} lies outside train, valid and test; move it into one of them")
    return given


def _shown(name: str) -> str:
    return name.replace("/", " - ")
