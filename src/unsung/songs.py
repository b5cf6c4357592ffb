"""Separate many songs into files. Folders are walked, and a bad song does not stop the others.

The files of a song are made in a hidden folder of this run and are moved to their names when all
are whole (places.py says where that is).
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from unsung import audio, formats
from unsung.audio import Facts, Grain, Grid, Samples
from unsung.errors import UserError, told
from unsung.files import fingerprint, folder_of_a_run, put_in_place, sha256
from unsung.formats import Echo, Encoding, Tags
from unsung.models.separator import CONFIG, WEIGHTS, Separator
from unsung.places import LISTEN, Job, Wanted, find, job_of, refused
from unsung.progress import Outcome, Report
from unsung.separation import Method, parts

MakeReport = Callable[[Sequence[Path]], Report]
MIXTURE = "mixture"


class _Stopped(Exception):
    """The user wants no more."""


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
    return Batch(Separating(method.load(), method), wanted).make(songs, report)


def check(outcomes: Sequence[Outcome]) -> None:
    """Raise a UserError if a song could not be separated."""
    if failed := [outcome for outcome in outcomes if outcome.error]:
        raise UserError(failed[0].error if len(outcomes) == 1 else f"{len(failed)} of {len(outcomes)} songs failed; see above")


@runtime_checkable
class Work(Protocol):
    """What is done with a song."""

    told: str  # on the page to listen to

    @property
    def parts(self) -> tuple[str, ...]:
        """What a song becomes."""

    @property
    def device(self) -> torch.device:
        """Where it is done."""

    @property
    def made_with(self) -> list[object]:
        """Models and settings: if they are the same, so are the parts."""

    def blocks(
        self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None, mixture: bool
    ) -> Iterator[Mapping[str, Grid]]:
        """The parts of a stream in blocks and, if it is wanted, the song itself as MIXTURE."""


@dataclass(frozen=True)
class Separating:
    """Songs are separated by one model, in the same way."""

    separator: Separator
    method: Method
    told = "The song, and what it was separated into. Clips are mp3 with the same gain."

    @property
    def parts(self) -> tuple[str, ...]:
        """The model's targets, and the accompaniment unless they cover the song."""
        return self.separator.config.parts

    @property
    def device(self) -> torch.device:
        """That of the weights."""
        return self.separator.device

    @property
    def made_with(self) -> list[object]:
        """The model, how windows are cut, and the sampling."""
        files = [sha256(self.method.model / name) for name in (WEIGHTS, CONFIG)]
        cut = self.method.separate.model_dump(exclude={"accelerator"})
        return [*files, cut, self.separator.process.settings.model_dump(), self.method.seed, self.method.bfloat16]

    def blocks(
        self, song: Iterable[Samples], own: Facts, grain: Grain, pool: Executor | None, mixture: bool
    ) -> Iterator[Mapping[str, Grid]]:
        """See Work; the parts add up to the song."""
        plan = self.method.plan(self.separator.config, own)
        for block in parts(self.separator, song, own, plan, grain, pool):
            whole = {MIXTURE: block.sum(0)} if mixture else {}
            yield {**whole, **dict(zip(self.parts, block, strict=True))}


class Batch:
    """Songs with which the same is done."""

    def __init__(self, work: Work, wanted: Wanted) -> None:
        self.work, self.wanted = work, wanted
        self.chosen = wanted.chosen(work.parts)
        self.cores = wanted.jobs if work.device.type == "cpu" else 1
        self.report, self.stopped = Report(), threading.Event()
        self.refused: Mapping[Job, str] = {}
        self.pool: Executor | None = None
        self.made_with = fingerprint([*work.made_with, str(wanted.encoding), wanted.start, wanted.duration])

    def make(self, songs: Sequence[tuple[Path, Path]], report: MakeReport = lambda songs: Report()) -> list[Outcome]:
        """The outcome of each song, which is given with its folder below OUT."""
        jobs = [job_of(song, below, self.wanted, [MIXTURE] if self.wanted.in_one else self.chosen) for song, below in songs]
        self.report, self.refused = report([job.song for job in jobs]), refused(jobs)
        done: dict[Job, Outcome] = {}
        with ThreadPoolExecutor(self.cores) if self.cores > 1 else nullcontext() as self.pool, closing(self.report):
            if len(self.refused) < len(jobs):
                self.report.begin(self.work.device, self.cores)
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
            for block in self.work.blocks(_blocks(song, first, own.frames), own, encoding.grain, self.pool, MIXTURE in sinks):
                if self.stopped.is_set():
                    raise _Stopped
                for name, sink in sinks.items():
                    sink.write(block[name])
                done += len(block[self.chosen[0]])
                self.report.move(song, done / own.sample_rate, own.frames / own.sample_rate)

    def _finished(self, job: Job, new: Path, raw: Mapping[str, Path], mark: Echo) -> dict[Path, Path]:
        """Make the final files in the folder `new`; returns where each of them belongs."""
        tags, encoding, made = Tags.of(job.song), self.wanted.encoding, {}
        for number, (name, path) in enumerate(job.files.items()):
            here = new / (path.name if job.alone else f"{number}-{path.name}")
            made[here] = path
            if name == LISTEN:
                from unsung.reporting.song import write_page  # here: only pages need pictures

                sounds = {title: audio.read(part) for title, part in raw.items()}
                write_page(here, job.song.name, self.work.told, {job.song.name: sounds}, audio.facts(raw[MIXTURE]).sample_rate)
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
