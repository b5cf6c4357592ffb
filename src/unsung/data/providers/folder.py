"""folder: your own recordings. A track is a folder of stems: vocals, drums, anything.

Tracks lie below train/, valid/ and test/, or anywhere below the root. Then the splits are drawn by
the hash of the tracks' names, and adding a song moves no other one. A track must have the stems to
separate, and something else: `accompaniment`, `mixture`, or other stems. All tracks have the same
stems. docs/data.md has formats.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from unsung.audio import EXTENSIONS
from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.providers.base import Facts
from unsung.data.providers.layout import Folder, drawn_splits, walk
from unsung.data.tracks import SPLITS, Recording, Split
from unsung.errors import UserError

FACTS = Facts(title="Your own recordings", songs="yours", hours="", format="any audio", download="nothing", licence="yours")


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every folder below `root` that holds at least two audio files, or what is left of them.

    Raises:
        UserError: there is none, or there are too few.
    """
    files, faults = _track_folders(root, targets)
    if not {*files, *faults}:
        raise UserError(f"{root} holds no folder with stems (such as vocals.wav and accompaniment.wav); set data.root to one")
    stems = {folder: {path.stem.lower(): path for path in paths} for folder, paths in files.items()}
    faults |= {folder: fault for folder, paths in files.items() if (fault := _fault(paths, targets))}
    names = {folder: _name(root, folder) for folder in sorted({*files, *faults})}
    splits = _given_splits(root, names) or drawn_splits(list(names.values()), settings.valid, settings.test, str(root))
    faults |= {
        folder: f"it lies outside train, valid and test, which {root} has" for folder in names if names[folder] not in splits
    }
    usable = {folder: splits[names[folder]] for folder in names if folder not in faults}
    faults |= _differing({folder: (set(stems[folder]), split) for folder, split in usable.items()})
    for folder, name in names.items():
        recording = Recording.of_files(name, splits.get(name, "train"), {} if folder in faults else stems[folder])
        yield replace(recording, fault=faults.get(folder, ""))


def _track_folders(root: Path, targets: tuple[str, ...]) -> tuple[dict[Path, list[Path]], dict[Path, str]]:
    """The audio files of each folder that has several; and folders that seem to have lost some."""
    folders = walk(root)
    heard = {folder.path: [path for path in folder.files if path.suffix.lower() in EXTENSIONS] for folder in folders}
    files = {folder: paths for folder, paths in heard.items() if len(paths) > 1}
    above = {parent for folder in files for parent in folder.parents} | {root}
    faults: dict[Path, str] = {}
    for folder in folders:
        if not {folder.path, *folder.path.parents} & files.keys():
            gone = [path for path in folder.files if path.is_symlink() and not path.exists() and path not in heard[folder.path]]
            faults |= dict.fromkeys(gone, "it is a link to nothing")
            if folder.path not in above and (fault := folder.fault or _lost(folder, heard[folder.path], targets)):
                faults[folder.path] = fault
    return files, faults


def _lost(folder: Folder, heard: Sequence[Path], targets: tuple[str, ...]) -> str:
    """What a folder with less than two audio files was, if it was a track; else nothing."""
    if heard:
        return f"only {heard[0].name}"
    named = {*targets, "mixture", "accompaniment"}
    return next((f"{path.name} is of a kind that is not read" for path in folder.files if path.stem.lower() in named), "")


def _fault(files: Sequence[Path], targets: tuple[str, ...]) -> str:
    """Why these files are no track, or nothing."""
    stems = [path.stem.lower() for path in files]
    if twice := [stem for stem in stems if stems.count(stem) > 1]:
        return f"two files for the stem {twice[0]}"
    if lost := [target for target in targets if target not in stems]:
        return f"no {', '.join(lost)}, only {', '.join(stems)}"
    if set(stems) == set(targets):
        return f"nothing beside {', '.join(targets)}: no accompaniment, mixture or other stems"
    if "accompaniment" in stems and (more := set(stems) - {"accompaniment", "mixture", *targets}):
        return f"accompaniment and {', '.join(sorted(more))}, which it contains"
    return ""


def _differing(tracks: Mapping[Path, tuple[set[str], Split]]) -> dict[Path, str]:
    """The tracks whose stems are not those of most; test tracks may be cut into others."""
    made = {folder: frozenset(_made_of(stems)) for folder, (stems, _) in tracks.items()}
    usual = max(Counter(made.values()).items(), key=lambda item: (item[1], len(item[0])), default=(frozenset[str](), 0))[0]
    faults = {}
    for folder, (_, split) in tracks.items():
        lost, more = sorted(usual - made[folder]), sorted(made[folder] - usual)
        if lost and not more:
            faults[folder] = f"no {', '.join(lost)}"
        elif more and split != "test":
            faults[folder] = f"{', '.join(more)}, which most tracks do not have"
    return faults


def _made_of(stems: set[str]) -> set[str]:
    """The stems that `stems.prepare` makes of these."""
    rest = {"accompaniment"} if "mixture" in stems and not {"accompaniment", "other"} & stems else set()
    return (stems - {"mixture"}) | rest


def _name(root: Path, folder: Path) -> str:
    parts = folder.relative_to(root).parts or (folder.name,)
    return " - ".join(parts[1:] if len(parts) > 1 and parts[0] in SPLITS else parts)


def _given_splits(root: Path, names: Mapping[Path, str]) -> dict[str, Split]:
    """The splits of the names by the folders train, valid and test; empty if none is there."""
    if not any((root / split).is_dir() for split in SPLITS):
        return {}
    return {name: split for folder, name in names.items() for split in SPLITS if root / split in (folder, *folder.parents)}
