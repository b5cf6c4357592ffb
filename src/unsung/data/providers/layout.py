"""What providers share: folders of a dataset, splits by name, grouping of stems, a limit."""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unsung.data.tracks import SPLITS, Recording, Source, Split
from unsung.errors import UserError

OTHER = "other"  # all that is not a stem of its own


@dataclass(frozen=True)
class Folder:
    """A folder of a dataset, its files by name, and why it cannot be read."""

    path: Path
    files: tuple[Path, ...] = ()  # with links to nothing
    fault: str = ""


def walk(root: Path) -> list[Folder]:
    """All folders from `root` on, in order; what is hidden is passed over.

    Links to folders are followed, but no folder is there twice, so loops end.
    """
    found, seen, waiting = list[Folder](), set[tuple[int, int]](), deque([root])
    while waiting:
        path = waiting.popleft()
        try:
            status = path.stat()
            entries = [] if (status.st_dev, status.st_ino) in seen else sorted(path.iterdir())
            folders = {entry: entry.is_symlink() for entry in entries if is_folder(entry) and not entry.name.startswith(".")}
        except OSError as error:
            if path == root:
                raise
            found.append(Folder(path, fault=f"its folder cannot be read: {error.strerror}"))
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            files = (entry for entry in entries if entry not in folders and not entry.name.startswith("."))
            found.append(Folder(path, tuple(files)))
        for folder, linked in folders.items():  # links last: what is there without them has its own name
            waiting.append(folder) if linked else waiting.appendleft(folder)
    return sorted(found, key=lambda folder: folder.path)


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or one that cannot be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except PermissionError:
        return True
    except OSError:  # a link to nothing, or to itself
        return False


def is_file(path: Path) -> bool:
    """Whether it is a file that can be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def lacking(files: Iterable[Path]) -> str:
    """Which files of a track's folder are not there, in words; nothing if all are."""
    missing = [path for path in files if not is_file(path)]
    if not missing:
        return ""
    folder = missing[0].parent
    if not is_folder(folder):
        return "it is a link to nothing"
    return f"no {', '.join(path.name for path in missing)}" if os.access(folder, os.X_OK) else "its folder cannot be read"


def place(root: Path, folders: Sequence[str], dataset: str) -> Path:
    """Where a dataset's folders lie: in `root`, or in a folder that its archive wraps around them.

    Raises:
        UserError: they are in neither.
    """
    for outer in [root, *sorted(path for path in root.iterdir() if path.is_dir())]:
        if all((outer / name).is_dir() for name in folders):
            return outer
    missing = next((name for name in folders if not (root / name).is_dir()), folders[0])
    raise UserError(f"{root} has no folder {missing}; set data.root to where {dataset} was extracted")


def limited(recordings: Iterable[Recording], limit: int) -> Iterator[Recording]:
    """At most `limit` recordings of each split, all if it is 0; and those that cannot be used."""
    taken = dict.fromkeys(SPLITS, 0)
    for recording in recordings:
        if not limit or taken[recording.split] < limit:
            taken[recording.split] += not recording.fault
            yield recording


def grouped(
    sources: Mapping[str, Sequence[Source]], wanted: Sequence[str], targets: Sequence[str], provider: str
) -> dict[str, tuple[Source, ...]]:
    """The stems of `wanted`, silent where a song has none, and everything else as `other`.

    Raises:
        UserError: a target would not be a stem of its own.
    """
    apart = [stem for stem in wanted if stem != OTHER]
    if missing := sorted(set(targets) - {*apart, OTHER}):
        raise UserError(f"model.targets has {missing[0]}, which is not among providers.{provider}.stems; add it there")
    rest = tuple(source for stem, those in sources.items() if stem not in apart for source in those)
    return {**{stem: tuple(sources.get(stem, ())) for stem in apart}, OTHER: rest}


def drawn_splits(names: Sequence[str], valid: float, test: float, where: str) -> dict[str, Split]:
    """The split of each name by its hash: adding a track moves no other one.

    Where there are too few tracks for the shares of `valid` and `test`, the lowest hashes make sure
    that no split is empty.

    Raises:
        UserError: there are fewer tracks than splits.
    """
    if len(names) < len(SPLITS):
        raise UserError(f"{where} has {len(names)} track(s), at least 3 are needed to train, validate and test; add some")
    ordered = sorted(names, key=_draw)
    draws = [_draw(name) for name in ordered]
    tests = max(1, sum(draw < test for draw in draws))
    valids = max(1, sum(draw < test + valid for draw in draws) - tests)
    tests = min(tests, len(names) - 2)
    valids = min(valids, len(names) - 1 - tests)
    return {name: "test" if i < tests else "valid" if i < tests + valids else "train" for i, name in enumerate(ordered)}


def _draw(name: str) -> float:
    """A number from 0 to 1 that depends on the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12
