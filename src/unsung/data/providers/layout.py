"""What providers share: folders of a dataset, splits by name, grouping of stems, a limit."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from unsung.data.tracks import SPLITS, Recording, Source, Split
from unsung.errors import UserError

OTHER = "other"  # all that is not a stem of its own


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
    """At most `limit` recordings of each split, all if it is 0."""
    taken = dict.fromkeys(SPLITS, 0)
    for recording in recordings:
        if not limit or taken[recording.split] < limit:
            taken[recording.split] += 1
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
