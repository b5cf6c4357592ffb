"""Separate songs of any length in bounded memory, in overlapping windows that fade into each other.

Stems are estimated at the model's sample rate and resampled to the song's. The accompaniment is the
song minus the stems, in integers, so that the files add up to the song to the last bit.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from sys import maxsize

import numpy as np
import psutil
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from unsung import audio
from unsung.audio import FULL_SCALE, Facts, Grid, Samples
from unsung.config.schema import Accelerator, Params, Separate
from unsung.config.section import ProcessSettings
from unsung.data.tracks import Track, mixture
from unsung.errors import UserError
from unsung.files import fingerprint, folder_of_a_run, put_in_place, sha256
from unsung.models.separator import CONFIG, WEIGHTS, Config, Separator, generators

Stems = Float[np.ndarray, "_target _frame _channel"]
Parts = Int[np.ndarray, "_part _frame _channel"]  # stems, and the accompaniment unless they cover the song
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of music [{elapsed}<{remaining}]"
SHORT = 8.0  # seconds; a window so long is never shortened
BYTES_PER_BYTE = 20  # of memory for one of a window's samples: a lower bound, to refuse what can never work
Song = Callable[[], Iterator[Samples]]  # opens the song anew each time, because it is read twice: to estimate and to subtract


@dataclass(frozen=True)
class Plan:
    """How a song is cut into windows."""

    window: int  # samples at the model's rate
    overlap: int  # samples
    batch_size: int  # windows at once on a GPU
    seed: int


@dataclass(frozen=True)
class Method:
    """A model folder, and how songs are separated with it."""

    model: Path
    separate: Separate
    seed: int
    process: ProcessSettings | None = None  # how to sample; by default `sampling_defaults`
    calls: int | None = None  # network calls, if other than in `process`

    @classmethod
    def of(cls, model: Path, params: Params) -> "Method":
        """As params.yaml says."""
        return cls(model, params.separate, params.seed, params.process)

    def load(self) -> Separator:
        """Load the separator onto the device, with this sampling.

        Raises:
            UserError: the model cannot be read, or cannot work like this.
        """
        separator, device = Separator.load(self.model), device_of(self.separate.accelerator)
        settings = self.process or separator.process.settings
        separator.sample_with(settings.changed(calls=self.calls) if self.calls else settings)
        if not self.separate.int8:
            return separator.to(device)
        if device.type != "cpu":
            raise UserError("int8 is for the CPU; set accelerator to cpu")
        return separator.quantised()

    def plan(self, config: Config, song: Facts | None = None) -> Plan:
        """How a song is cut for a model with this config; no window is longer than the song.

        Raises:
            UserError: the window does not fit into memory.
        """
        window = round(self.separate.window_seconds * config.sample_rate)
        if song:
            whole = math.ceil(song.frames / song.sample_rate * config.sample_rate)
            window = min(window, max(round(SHORT * config.sample_rate), whole))
        if (needed := 4 * window * config.channels * BYTES_PER_BYTE) > (free := psutil.virtual_memory().available):
            gigabytes = f"{needed / 1e9:.0f} GB of memory, {free / 1e9:.0f} are free"
            raise UserError(f"a window of {window / config.sample_rate:.0f} s needs at least {gigabytes}; make it shorter")
        return Plan(window, round(window * self.separate.overlap), self.separate.batch_size, self.seed)


@dataclass(frozen=True)
class Window:
    """A piece of a song, padded to the plan's window; `length` frames of it are song."""

    samples: Samples
    start: int  # samples
    length: int
    last: bool


@dataclass(frozen=True)
class Output:
    """A folder for the parts of a song, as FLAC files with the song's rate and channels."""

    folder: Path
    own: Facts  # of the song; its length is not used
    comment: str = ""
    old: Callable[[], Sequence[str]] = tuple  # files in the folder that go when the new ones are there


def write_parts(
    separator: Separator, song: Song, out: Output, plan: Plan, progress: Callable[[float], object] = lambda seconds: None
) -> None:
    """Separate a song into `out.folder/<part>.flac`; all files appear at once at the end, or none.

    Files of `out.old` go then, all others stay. `progress` is told how many seconds were added.

    Raises:
        UserError: the song cannot be read to its end, or the files cannot be written to theirs.
        ArithmeticError: it is far beyond full scale, or the model gives NaN.
    """
    with folder_of_a_run(out.folder) as new:
        with ExitStack() as stack:
            form = out.own.sample_rate, out.own.channels, out.comment
            files = [stack.enter_context(audio.writer(new / f"{part}.flac", *form)) for part in separator.config.parts]
            for block in parts(separator, song, out.own, plan):
                for file, part in zip(files, block, strict=True):
                    file.write(part)
                progress(block.shape[1] / out.own.sample_rate)
        put_in_place(new, out.folder, out.old())


def separate_track(track: Track, folder: Path, method: Method) -> None:
    """Separate a track of a dataset into `folder/<track>`, unless that was done before."""
    torch.set_num_threads(1)
    separator = method.load()
    config = separator.config
    out = Output(folder / track.name, Facts(config.sample_rate, config.channels, frames=0))
    if all((out.folder / f"{part}.flac").exists() for part in config.parts):
        return
    try:
        write_parts(separator, partial(mixture, track), out, method.plan(config))
    except ArithmeticError as error:
        raise UserError(f'"{track.name}": {error}') from None


def separate_files(songs: Sequence[Path], out: Path, method: Method) -> None:
    """Separate each song into the folder `out/<its name>`, unless the same was done before.

    Raises:
        UserError: the model or a song cannot be read, or a song's folder holds a song or files that
            were not written for it; earlier songs are kept.
        KeyboardInterrupt: it says how many songs are finished.
    """
    separator = method.load()
    weights, config = (sha256(method.model / name) for name in (WEIGHTS, CONFIG))
    settings = [method.separate.model_dump(exclude={"accelerator"}), separator.process.settings.model_dump(), method.seed]
    made_with = fingerprint([weights, config, *settings])
    places = _places(songs, out, separator.config.parts)
    finished = 0
    try:
        for song, place in places.items():
            _separate_file(separator, song, place, method, made_with)
            finished += 1
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; {finished} of {len(songs)} songs are finished, the same command goes on") from None


def _places(songs: Sequence[Path], out: Path, parts: Sequence[str]) -> dict[Path, Path]:
    """The folder of each song, none of which has a song in it or a file that is in the way."""
    folders = [Path(os.path.realpath(out / song.stem)) for song in songs]
    for song, folder in zip(songs, folders, strict=True):
        if folders.count(folder) > 1:
            raise UserError(f"two songs are called {song.stem} and would share a folder; separate them one after the other")
        if song.stem in {".", ".."}:
            raise UserError(f"{song} has no name that a folder can have; rename it")
        if not song.is_file():
            raise UserError(f"{song} is not a file; mend the path")
        if os.path.lexists(folder) and not folder.is_dir():
            raise UserError(f"{out / song.stem} is there and is no folder; choose another --out, or move it away")
        if inside := [other for other in songs if folder in {*other.absolute().parents, *other.resolve().parents}]:
            raise UserError(f"{inside[0]} lies in {folder}, where the parts of {song} go; choose another --out")
        _written_for(song, folder, parts)
    return {song: out / song.stem for song in songs}


def _written_for(song: Path, folder: Path, parts: Sequence[str]) -> list[str]:
    """The files in `folder` that unsung wrote for this song: for the same content, or its path.

    Raises:
        UserError: one of the parts is there and was not.
    """
    marks = set(_marks(song)) if folder.is_dir() else set()
    names = [path.name for path in folder.glob("*.flac") if path.is_file() and marks & set(audio.comment(path).split()[2:])]
    if taken := [path for part in parts if os.path.lexists(path := folder / f"{part}.flac") and path.name not in names]:
        raise UserError(f"{taken[0]} is there and was not written for {song}; choose another --out, or move it away")
    return names


def _marks(song: Path) -> tuple[str, str]:
    return f"sha256:{sha256(song)[:16]}", f"path:{fingerprint(os.fspath(song.absolute()))}"


def _separate_file(separator: Separator, song: Path, place: Path, method: Method, made_with: str) -> None:
    own, steady = audio.facts(song), partial(_steady, song, song.stat())
    if not own.frames:
        raise UserError(f"{song} is empty; there is nothing to separate")
    comment = " ".join([f"unsung {made_with}", *_marks(song)])
    paths = [place / f"{part}.flac" for part in separator.config.parts]
    if all(audio.comment(path) == comment and audio.is_whole(path) for path in paths):
        print(f"{song}: finished before, see {place}")
        return
    out = Output(place, own, comment, partial(_written_for, song, place, separator.config.parts))
    try:
        with tqdm(total=own.frames / own.sample_rate, desc=song.name, bar_format=BAR) as bar:
            write_parts(separator, steady, out, method.plan(separator.config, own), bar.update)
    except ArithmeticError as error:
        raise UserError(f"{song}: {error}") from None
    print(f"{song}: {', '.join(map(str, paths))}")


def _steady(song: Path, before: os.stat_result) -> Iterator[Samples]:
    """The samples of a song that must not change, because it is read twice."""
    yield from audio.blocks(song)
    now = song.stat()
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise UserError(f"{song} was changed while it was separated; separate it again")


def device_of(accelerator: Accelerator) -> torch.device:
    """The torch device of an accelerator: `gpu` is cuda, `auto` is cuda if it is available.

    Raises:
        UserError: torch finds no such accelerator.
    """
    available = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = accelerator if accelerator != "auto" else ("gpu" if available["gpu"] else "cpu")
    if not available[name]:
        raise UserError(f"accelerator is {name}, and torch finds none; set it to auto or cpu")
    return torch.device("cuda" if name == "gpu" else name)


def parts(separator: Separator, song: Song, own: Facts, plan: Plan) -> Iterator[Parts]:
    """Separate a song at any rate into blocks of its parts, which add up to its 24-bit integers."""
    config, width = separator.config, len(separator.config.targets) * own.channels
    blocks = stems(separator, audio.resampled(song(), own.sample_rate, config.sample_rate), plan)
    flat = (block.transpose(1, 0, 2).reshape(-1, width) for block in blocks)
    estimates = audio.fitted(audio.resampled(flat, config.sample_rate, own.sample_rate), maxsize, width)
    for block, estimate in zip(audio.rebatched(song()), audio.rebatched(estimates), strict=False):
        split = estimate[: len(block)].reshape(len(block), -1, own.channels).transpose(1, 0, 2)
        yield share_out(audio.to_grid(block), split, config.covers_song)


def stems(separator: Separator, song: Iterable[Samples], plan: Plan) -> Iterator[Stems]:
    """The stems of a stream at the model's sample rate, in blocks, as long as the song."""
    tail: Stems | None = None
    cut = windows(song, plan)
    while batch := list(islice(cut, plan.batch_size)):
        for window, estimate in zip(batch, _estimate(separator, batch, plan), strict=True):
            estimate *= _fades(window, plan)[:, None]
            if tail is not None:
                estimate[:, : plan.overlap] += tail
            done = window.length if window.last else plan.window - plan.overlap
            tail = estimate[:, done:]
            yield estimate[:, :done]


def windows(song: Iterable[Samples], plan: Plan) -> Iterator[Window]:
    """Cut a stream into overlapping windows; the last one is padded with zeros."""
    hop, start, waiting = plan.window - plan.overlap, 0, np.zeros((0, 0), np.float32)
    for block in song:
        waiting = np.concatenate([waiting, block]) if len(waiting) else block
        while len(waiting) > plan.window:
            yield Window(waiting[: plan.window], start, plan.window, last=False)
            waiting, start = waiting[hop:], start + hop
    if len(waiting):
        yield Window(np.pad(waiting, ((0, plan.window - len(waiting)), (0, 0))), start, len(waiting), last=True)


def share_out(mixture: Grid, estimates: Stems, covers_song: bool) -> Parts:
    """Parts within full scale that add up to `mixture`, as near to the estimates as possible.

    The residual is the accompaniment; where the stems cover the song, they share it. Two parts can
    add up to more than full scale, so a song that clips is kept as it is.

    Raises:
        FloatingPointError: an estimate is not finite.
        OverflowError: even parts at full scale do not add up to the song.
    """
    low, high = -FULL_SCALE, FULL_SCALE - 1
    left = mixture / FULL_SCALE - estimates.sum(0)
    wanted = estimates + left / len(estimates) if covers_song else np.concatenate([estimates, left[None]])
    if not np.isfinite(wanted).all():
        raise FloatingPointError("the model gives NaN; get it anew, or train it anew")
    parts = np.clip(np.rint(wanted.astype(np.float64) * FULL_SCALE), low, high).astype(np.int64)
    rest = mixture - parts.sum(0)
    for part in parts[::-1]:  # the accompaniment first
        taken = np.clip(part + rest, low, high) - part
        part += taken
        rest -= taken
    if rest.any():
        raise OverflowError(f"the song's peak is {np.abs(mixture).max() / FULL_SCALE:.1f} times full scale; turn it down")
    return parts


def _estimate(separator: Separator, batch: Sequence[Window], plan: Plan) -> Float[np.ndarray, "_window _target _frame _channel"]:
    """The stems of a batch of windows; where the channels do not fit, channel by channel."""
    device = separator.device
    song = torch.from_numpy(np.stack([window.samples for window in batch])).transpose(1, 2)
    fits = song.shape[1] == separator.config.channels
    items = song if fits else song.flatten(0, 1)[:, None].expand(-1, separator.config.channels, -1)
    seeds = [(plan.seed, window.start, i) for window in batch for i in range(len(items) // len(batch))]
    size = 1 if device.type == "cpu" else len(items)  # rounding depends on the batch size: see docs/design.md
    with torch.inference_mode():
        counterfactuals = [
            separator.counterfactual(items[i : i + size].to(device), generators(seeds[i : i + size], device)).cpu()
            for i in range(0, len(items), size)
        ]
    estimates = items.unsqueeze(1) - torch.cat(counterfactuals)
    if not fits:
        estimates = estimates.mean(2).unflatten(0, (len(batch), song.shape[1])).transpose(1, 2)
    return estimates.transpose(2, 3).numpy()


def _fades(window: Window, plan: Plan) -> Float[np.ndarray, " _frame"]:
    """The weights of a window; in an overlap, those of both windows add up to one."""
    fades, rise = np.ones(plan.window, np.float32), (np.arange(plan.overlap, dtype=np.float32) + 0.5) / max(1, plan.overlap)
    if window.start:
        fades[: plan.overlap] = rise
    if not window.last:
        fades[plan.window - plan.overlap :] = rise[::-1]
    return fades
