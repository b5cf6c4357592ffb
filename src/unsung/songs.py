"""Separate many songs into files. Folders are walked, and a bad song does not stop the others.

The files of a song are made in a hidden folder of this run and are moved to their names when all
are whole. Only files that unsung wrote for the same song are ever replaced.
"""

import os
import string
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from unsung import audio, formats
from unsung.audio import Facts, Samples
from unsung.containers import opened
from unsung.errors import UserError, told
from unsung.files import fingerprint, folder_of_a_run, put_in_place, sha256
from unsung.formats import Echo, Encoding, Tags
from unsung.models.separator import CONFIG, WEIGHTS, Separator
from unsung.progress import Outcome, Report
from unsung.separation import Method, parts

MakeReport = Callable[[Sequence[Path]], Report]
MIXTURE, LISTEN = "mixture", "listen"


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


class _Stopped(Exception):
    """The user wants no more."""


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


def separate_songs(
    places: Sequence[Path], method: Method, wanted: Wanted, report: MakeReport = lambda songs: Report()
) -> list[Outcome]:
    """Separate songs, and all songs in folders; the outcomes are in their order.

    What was finished before with the same model and options is not separated again.

    Raises:
        UserError: there is no song, or the model cannot be read or has no such stem.
        KeyboardInterrupt: it says how many songs are finished.
    """
    torch.set_num_threads(1)  # a window has one, so the bytes do not depend on the number of jobs
    songs = find(places, wanted.out)
    return Batch(method.load(), method, wanted).separate(songs, report)


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


def check(outcomes: Sequence[Outcome]) -> None:
    """Raise a UserError if a song could not be separated."""
    if failed := [outcome for outcome in outcomes if outcome.error]:
        raise UserError(failed[0].error if len(outcomes) == 1 else f"{len(failed)} of {len(outcomes)} songs failed; see above")


class Batch:
    """Songs that are separated by one model, in the same way."""

    def __init__(self, separator: Separator, method: Method, wanted: Wanted) -> None:
        self.separator, self.method, self.wanted = separator, method, wanted
        self.chosen = wanted.chosen(separator.config.parts)
        self.cores = wanted.jobs if separator.device.type == "cpu" else 1
        self.report, self.stopped = Report(), threading.Event()
        self.refused: Mapping[Job, str] = {}
        self.pool: Executor | None = None
        settings = [method.separate.model_dump(exclude={"accelerator"}), separator.process.settings.model_dump(), method.seed]
        more = [method.bfloat16, str(wanted.encoding), wanted.start, wanted.duration]
        self.made_with = fingerprint([*(sha256(method.model / name) for name in (WEIGHTS, CONFIG)), *settings, *more])

    def separate(self, songs: Sequence[tuple[Path, Path]], report: MakeReport = lambda songs: Report()) -> list[Outcome]:
        """The outcome of each song, which is given with its folder below OUT."""
        jobs = [job_of(song, below, self.wanted, [MIXTURE] if self.wanted.in_one else self.chosen) for song, below in songs]
        self.report, self.refused = report([job.song for job in jobs]), refused(jobs)
        done: dict[Job, Outcome] = {}
        with ThreadPoolExecutor(self.cores) if self.cores > 1 else nullcontext() as self.pool, closing(self.report):
            if len(self.refused) < len(jobs):
                self.report.begin(self.separator.device, self.cores)
            try:
                if min(self.cores, len(jobs)) == 1:
                    done |= ((job, self._outcome(job)) for job in jobs)
                else:
                    self._in_threads(jobs, done)
            except KeyboardInterrupt:
                finished = sum(not outcome.error for outcome in done.values())
                told_so = f"stopped; {finished} of {len(jobs)} songs are finished, the same command goes on"
                raise KeyboardInterrupt(told_so) from None
        return [done[job] for job in jobs]

    def _in_threads(self, jobs: Sequence[Job], done: dict[Job, Outcome]) -> None:
        with ThreadPoolExecutor(self.cores) as threads:
            futures = {threads.submit(self._outcome, job): job for job in jobs}
            try:
                for future in as_completed(futures):
                    done[futures[future]] = future.result()
            except BaseException:
                self.stopped.set()
                for future in futures:
                    future.cancel()
                raise

    def _outcome(self, job: Job) -> Outcome:
        """Separate a song, and tell what became of it."""
        try:
            outcome = Outcome(job.song, error=self.refused[job]) if job in self.refused else self._separated(job)
        except _Stopped:
            return Outcome(job.song, error="stopped")
        except Exception as error:
            if not (line := told(error)):
                raise
            outcome = Outcome(job.song, error=line)
        self.report.end(outcome)
        return outcome

    def _separated(self, job: Job) -> Outcome:
        """Separate a song into its files, unless that was done before.

        Raises:
            UserError: the song cannot be read to its end, or the files cannot be written to theirs.
        """
        before = job.song.stat()
        own, first = _cut(job.song, audio.facts(job.song), self.wanted)
        seconds, mark = own.frames / own.sample_rate, Echo(self.made_with, *job.marks)
        if all(_is_current(path, mark) for path in job.files.values()):
            return Outcome(job.song, job.files, seconds, again=True)
        with folder_of_a_run(job.home if job.alone else job.home / job.song.stem) as new:
            raw = {name: new / f"{name}.part" for name in (MIXTURE, *self.chosen)}
            if not (self.wanted.in_one or self.wanted.listen):
                del raw[MIXTURE]
            try:
                self._encode(job.song, own, first, raw)
            except ArithmeticError as error:
                raise UserError(f"{job.song}: {error}") from None
            if (now := job.song.stat()).st_size != before.st_size or now.st_mtime_ns != before.st_mtime_ns:
                raise UserError(f"{job.song} was changed while it was separated; separate it again")
            made = self._finished(job, new, raw, mark)
            for path in raw.values():
                path.unlink()
            _put_in_place(job, new, made)
        return Outcome(job.song, job.files, seconds)

    def _encode(self, song: Path, own: Facts, first: int, raw: Mapping[str, Path]) -> None:
        """Separate a song into files without tags."""
        encoding, done = self.wanted.encoding, 0
        with ExitStack() as stack:
            form = own.sample_rate, own.channels
            sinks = {name: stack.enter_context(formats.sink(path, encoding, *form)) for name, path in raw.items()}
            plan, blocks = self.method.plan(self.separator.config, own), _blocks(song, first, own.frames)
            for block in parts(self.separator, blocks, own, plan, encoding.grain, self.pool):
                if self.stopped.is_set():
                    raise _Stopped
                by_name = dict(zip(self.separator.config.parts, block, strict=True))
                for name, sink in sinks.items():
                    sink.write(block.sum(0) if name == MIXTURE else by_name[name])
                done += block.shape[1]
                self.report.move(song, done / own.sample_rate, own.frames / own.sample_rate)

    def _finished(self, job: Job, new: Path, raw: Mapping[str, Path], mark: Echo) -> dict[Path, Path]:
        """Make the final files in the folder `new`; returns where each of them belongs."""
        tags, encoding, made = Tags.of(job.song), self.wanted.encoding, {}
        for number, (name, path) in enumerate(job.files.items()):
            here = new / (path.name if job.alone else f"{number}-{path.name}")
            made[here] = path
            if name == LISTEN:
                from unsung.reporting.song import SEPARATED, write_page  # here: only pages need pictures

                sounds = {title: audio.read(part) for title, part in raw.items()}
                write_page(here, job.song.name, SEPARATED, {job.song.name: sounds}, audio.facts(raw[MIXTURE]).sample_rate)
                formats.sign(here, mark)
            elif self.wanted.in_one:
                titles = [MIXTURE, *self.chosen, *[""] * (formats.STEMS - len(self.chosen))]
                silent = _silence(raw[MIXTURE], new, encoding)
                formats.finish([raw.get(title, silent) for title in titles], here, encoding, tags, mark, titles)
            else:
                formats.finish([raw[name]], here, encoding, tags, mark)
        return made


def _cut(song: Path, own: Facts, wanted: Wanted) -> tuple[Facts, int]:
    """The facts of what is separated, and its first frame."""
    first = round(wanted.start * own.sample_rate)
    if not own.frames:
        raise UserError(f"{song} is empty; there is nothing to separate")
    if first >= own.frames:
        raise UserError(f"{song} has {own.frames / own.sample_rate:.1f} s, and --start is {wanted.start:g}; begin earlier")
    frames = own.frames - first
    if wanted.duration is not None:
        frames = min(frames, max(1, round(wanted.duration * own.sample_rate)))
    return Facts(own.sample_rate, own.channels, frames), first


def _blocks(song: Path, first: int, frames: int) -> Iterator[Samples]:
    """The samples of a song from frame `first` on; the end of a whole song is checked."""
    passed, left = 0, frames
    for block in audio.blocks(song):
        piece = block[max(0, first - passed) :][:left]
        passed, left = passed + len(block), left - len(piece)
        if len(piece):
            yield piece
        if not left and passed > first + frames:
            return


def _is_current(path: Path, mark: Echo) -> bool:
    """Whether a file was made of this song with the same model and options, and is whole."""
    echo = formats.echo(path) if path.is_file() else None
    known = echo and (echo.made_with, echo.song, echo.path) == (mark.made_with, mark.song, mark.path)
    return bool(known) and formats.is_whole(path)


def _silence(like: Path, folder: Path, encoding: Encoding) -> Path:
    """A part as long as another one in which nothing sounds."""
    facts, path = audio.facts(like), folder / "silence.part"
    if not path.exists():
        with formats.sink(path, encoding, facts.sample_rate, facts.channels) as sink:
            for block in audio.blocks(like):
                sink.write(np.zeros(block.shape, np.int64))
    return path


def _put_in_place(job: Job, new: Path, made: Mapping[Path, Path]) -> None:
    """Move all files to their names: at once, or one by one where songs share folders."""
    old = job.old()
    if job.alone:
        put_in_place(new, job.home, old)
        return
    for here, goal in made.items():
        goal.parent.mkdir(parents=True, exist_ok=True)
        here.replace(goal)
