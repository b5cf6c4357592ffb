"""Where songs are, and where the files that are made of them go: folders are walked, names checked.

Only files that unsung wrote for the same song are ever replaced.
"""

import os
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unsung import audio, formats
from unsung.containers import opened
from unsung.errors import UserError, told
from unsung.files import fingerprint, sha256
from unsung.formats import Encoding

LISTEN = "listen"


@dataclass(frozen=True)
class Wanted:
    """What is made of each song."""

    out: Path
    encoding: Encoding = field(default_factory=Encoding)
    stems: tuple[str, ...] = ()  # some of the model's parts; empty: all
    name: str = ""  # with {song} and {stem}; empty: as the format has it
    start: float = 0.0  # seconds
    duration: float | None = None  # seconds; None: to the end
    listen: bool = False  # a page to listen to the parts
    jobs: int = 1

    def __post_init__(self) -> None:
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None]
        except ValueError:
            raise UserError(f"--name {self.name} is not a template; write it like {{song}}/{{stem}}") from None
        places = Path(self.template)
        if odd := [name for name in fields if name not in ("song", "stem")]:
            raise UserError(f"--name {self.name} has {{{odd[0]}}}; it can have {{song}} and {{stem}}")
        if places.anchor or ".." in places.parts or places.name in ("", ".") or self.template.endswith("/"):
            raise UserError(f"--name {self.name} is not the name of a file below --out; write it like {{song}}/{{stem}}")
        if "song" not in fields:
            raise UserError(f"--name {self.name} has no {{song}}, so songs would overwrite each other; add it")
        if self.in_one and "stem" in fields:
            raise UserError(f"--name {self.name} has {{stem}}, but {self.encoding.name} has all stems in one file; leave it out")
        if not self.in_one and "stem" not in fields:
            raise UserError(f"--name {self.name} has no {{stem}}, so stems would overwrite each other; add it")

    @property
    def in_one(self) -> bool:
        """Whether all parts go into one file."""
        return self.encoding.name == "stem.mp4"

    @property
    def template(self) -> str:
        """The name of a file without its ending."""
        return self.name or ("{song}" if self.in_one else "{song}/{stem}")

    def chosen(self, all_parts: Sequence[str]) -> tuple[str, ...]:
        """The parts that are written.

        Raises:
            UserError: the model has no such part.
        """
        if odd := [stem for stem in self.stems if stem not in all_parts]:
            raise UserError(f"the model has no stem {odd[0]}; it has {', '.join(all_parts)}")
        return tuple(part for part in all_parts if part in self.stems or not self.stems)


@dataclass(frozen=True, eq=False)
class Job:
    """A song, and the files that are made of it."""

    song: Path
    files: Mapping[str, Path]  # by part
    home: Path  # the folder of these files
    alone: bool  # whether nothing else belongs into this folder

    def old(self) -> list[str]:
        """The names of files in the home that unsung wrote for this song, by content or path.

        Raises:
            UserError: one of the files is there, and was not.
        """
        there = sorted(self.home.iterdir()) if self.alone and self.home.is_dir() else [*self.files.values()]
        marks = set(self.marks) if any(path.is_file() for path in there) else set()
        echoes = {path: formats.echo(path) for path in there if path.is_file()}
        mine = [path for path, echo in echoes.items() if echo and marks & {echo.song, echo.path}]
        for path in self.files.values():
            if os.path.lexists(path) and path not in mine:
                raise UserError(f"{path} is there and was not written for {self.song}; choose another --out, or move it away")
        return sorted(path.name for path in mine)

    @property
    def marks(self) -> tuple[str, str]:
        """Of its content and of its path."""
        return sha256(self.song)[:16], fingerprint(os.fspath(self.song.absolute()))


def find(places: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Each song, and its folder below OUT: the tree of a folder is kept, and OUT is not walked.

    Raises:
        UserError: there is no song.
    """
    found = []
    for place in places:
        if not os.path.isdir(place):  # noqa: PTH112 a path that cannot be is told later
            found.append((place, Path()))
            continue
        songs = [(Path(root, name), Path(root).relative_to(place)) for root, name in _walk(place, out)]
        if not songs:
            raise UserError(f"{place} has no songs in it; name another folder, or the files themselves")
        found += sorted(songs)
    return found


def _walk(folder: Path, out: Path) -> Iterator[tuple[str, str]]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not _same(Path(root, name), out)]
        yield from ((root, name) for name in names if Path(name).suffix.lower() in audio.EXTENSIONS and not name.startswith("."))


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def job_of(song: Path, below: Path, wanted: Wanted, files: Iterable[str]) -> Job:
    """A song of the folder `below` OUT, with the places of its files."""
    template, ending = wanted.template, wanted.encoding.format.ending
    paths = {part: wanted.out / below / (template.format(song=song.stem, stem=part) + ending) for part in files}
    if wanted.listen:
        name = template.format(song=song.stem, stem=LISTEN) + (f".{LISTEN}" if wanted.in_one else "")
        paths[LISTEN] = wanted.out / below / f"{name}.html"
    homes = {path.parent for path in paths.values()}
    return Job(song, paths, min(homes), alone=len(homes) == 1 and "{song}" in str(Path(template).parent))


def refused(jobs: Sequence[Job]) -> dict[Job, str]:
    """What is wrong with songs and their places, before any work."""
    places = [{os.path.realpath(path) for path in job.files.values()} for job in jobs]
    counts = Counter(path for paths in places for path in paths)
    found = {}
    for job, paths in zip(jobs, places, strict=True):
        try:
            if any(counts[path] > 1 for path in paths):
                what = f"two songs are called {job.song.stem} and would share their files"
                raise UserError(f"{what}; separate them one after the other")
            _check(job, [other.song for other in jobs])
        except (UserError, OSError) as error:
            if not (line := told(error)):
                raise
            found[job] = line
    return found


def _check(job: Job, songs: Sequence[Path]) -> None:
    """Raise a UserError if a song cannot be opened, or its place has songs or other files in it."""
    if job.song.stem in {".", ".."}:
        raise UserError(f"{job.song} has no name that a folder can have; rename it")
    opened(job.song).close()
    home = Path(os.path.realpath(job.home))
    if os.path.lexists(home) and not home.is_dir():
        raise UserError(f"{job.home} is there and is no folder; choose another --out, or move it away")
    if job.alone and (inside := [song for song in songs if home in {*song.absolute().parents, *song.resolve().parents}]):
        raise UserError(f"{inside[0]} lies in {job.home}, where the parts of {job.song} go; choose another --out")
    job.old()
