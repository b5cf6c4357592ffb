"""folder: your own recordings. A track is a folder of stems: vocals, drums, anything.

Tracks lie below train/, valid/ and test/, or anywhere below the root. Then the splits are drawn by
the hash of the tracks' names, and adding a song moves no other one. A track must have the stems to
separate, and something else: `accompaniment`, `mixture`, or other stems. docs/data.md has formats.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.providers.base import Facts
from unsung.data.providers.layout import drawn_splits
from unsung.data.tracks import SPLITS, Recording, Split
from unsung.errors import UserError

FACTS = Facts(title="Your own recordings", songs="yours", hours="", format="any audio", download="nothing", licence="yours")


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every folder below `root` that holds at least two audio files.

    Raises:
        UserError: there is none, a stem is there twice, or a track lacks a stem to separate or
            everything else.
    """
    folders = {folder: _stems(folder, files, targets) for folder, files in _track_folders(root).items()}
    if not folders:
        raise UserError(f"{root} holds no folder with stems (such as vocals.wav and accompaniment.wav); set data.root to one")
    names = {folder: _name(root, folder) for folder in folders}
    splits = _given_splits(root, names) or drawn_splits(list(names.values()), settings.valid, settings.test, str(root))
    for folder, stems in folders.items():
        yield Recording.of_files(names[folder], splits[names[folder]], stems)


def _track_folders(root: Path) -> dict[Path, list[Path]]:
    """The audio files of each folder that has several, all in order."""
    folders: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith("."):
            folders.setdefault(path.parent, []).append(path)
    return {folder: files for folder, files in sorted(folders.items()) if len(files) > 1}


def _stems(folder: Path, files: Sequence[Path], targets: tuple[str, ...]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for path in files:
        if path.stem.lower() in stems:
            raise UserError(f"{folder} has two files for the stem {path.stem.lower()}; remove one")
        stems[path.stem.lower()] = path
    for target in targets:
        if target not in stems:
            raise UserError(f"{folder} has no {target}, only {', '.join(stems)}; rename its files or set model.targets")
    if set(stems) == set(targets):
        raise UserError(f"{folder} has nothing beside {', '.join(targets)}; add accompaniment, mixture or the other stems")
    if "accompaniment" in stems and (more := set(stems) - {"accompaniment", "mixture", *targets}):
        raise UserError(f"{folder} has accompaniment and {', '.join(sorted(more))}, which it contains; remove one or the other")
    return stems


def _name(root: Path, folder: Path) -> str:
    parts = folder.relative_to(root).parts or (folder.name,)
    return " - ".join(parts[1:] if len(parts) > 1 and parts[0] in SPLITS else parts)


def _given_splits(root: Path, names: dict[Path, str]) -> dict[str, Split]:
    """The splits of the names by the folders train, valid and test; empty if none is there."""
    if not any((root / split).is_dir() for split in SPLITS):
        return {}
    splits = {name: split for folder, name in names.items() for split in SPLITS if root / split in (folder, *folder.parents)}
    if outside := [folder for folder, name in names.items() if name not in splits]:
        raise UserError(f"{outside[0]} lies outside train, valid and test, which {root} has; move it into one of them")
    return splits
