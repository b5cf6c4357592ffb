"""folder: your own recordings. A track is a folder of stems, named after its files: vocals, drums, anything.

Either below train/, valid/ and test/, which are then the splits, or anywhere below the root, and the splits are drawn by the
hash of the tracks' names: adding a song never moves another one from test to train. wav, flac, ogg, opus, mp3, m4a.
What a track must have: the stems to separate, and something else (`accompaniment`, `mixture`, or other stems).
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.providers.base import Facts
from unsung.data.providers.layout import drawn_splits
from unsung.data.tracks import SPLITS, Recording, Split
from unsung.errors import UserError

FACTS = Facts(
    title="Your own recordings",
    songs="yours",
    hours="",
    format="any audio",
    download="nothing",
    licence="yours",
    citation="",
    url="",
)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every folder below `root` that holds at least two audio files.

    Raises:
        UserError: there is none, a stem is there twice, or a track lacks a stem to separate or everything else.
    """
    found = {folder: _stems(folder, targets) for folder in _track_folders(root)}
    if not found:
        raise UserError(f"{root} holds no folder with stems (such as vocals.wav and accompaniment.wav); set data.root to one")
    names = {folder: _name(root, folder) for folder in found}
    splits = _given_splits(root, list(found)) or drawn_splits(list(names.values()), settings.valid, settings.test, str(root))
    for folder, stems in found.items():
        yield Recording.of_files(names[folder], splits[names[folder]], stems)


def _track_folders(root: Path) -> list[Path]:
    files = [path for path in root.rglob("*") if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")]
    folders = [path.parent for path in files]
    return sorted({folder for folder in folders if folders.count(folder) > 1})


def _stems(folder: Path, targets: tuple[str, ...]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith("."):
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


def _given_splits(root: Path, folders: list[Path]) -> dict[str, Split]:
    """The splits of the names by the folders train, valid and test, or nothing if there are none of these."""
    if not any((root / split).is_dir() for split in SPLITS):
        return {}
    splits: dict[str, Split] = {}
    for folder in folders:
        first = folder.relative_to(root).parts[0] if folder != root else ""
        if first not in SPLITS:
            raise UserError(f"{folder} lies outside train, valid and test, which {root} has; move it into one of them")
        splits[_name(root, folder)] = next(split for split in SPLITS if split == first)
    return splits
