"""Songs of any length through a Separator in bounded memory: overlapping windows that fade into each other.

The stems are estimated at the model's sample rate and brought to the song's; the accompaniment is the song minus them, made in
integers, so that what is written adds up to the song to the last bit. A song whose channels are not the model's is separated
channel by channel. The noise of a window follows from (seed, its place, channel) alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from sys import maxsize

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from unsung import audio
from unsung.audio import FULL_SCALE, Facts, Grid, Samples
from unsung.config.schema import Accelerator, Params, Separate
from unsung.config.section import ProcessSettings
from unsung.data.tracks import Track, mixture
from unsung.errors import UserError
from unsung.files import fingerprint, remove, sha256
from unsung.models.separator import CONFIG, WEIGHTS, Config, Separator, generators

Stems = Float[np.ndarray, "_target _frame _channel"]
Parts = Int[np.ndarray, "_part _frame _channel"]  # the stems and, unless they cover the song, the accompaniment
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of music [{elapsed}<{remaining}]"
Song = Callable[[], Iterator[Samples]]  # opens the song anew each time: it is read once to estimate and once to subtract


@dataclass(frozen=True)
class Plan:
    """How a song is cut, and how each window is separated."""

    window: int  # samples at the model's rate
    overlap: int  # samples
    batch_size: int  # windows at once on a GPU
    seed: int


@dataclass(frozen=True)
class Method:
    """A model folder, and how songs are separated with it: all that decides what comes out."""

    model: Path
    separate: Separate
    seed: int
    process: ProcessSettings | None = None  # how to sample; by default as suits the process
    calls: int | None = None  # network calls, if other than in `process`

    @classmethod
    def of(cls, model: Path, params: Params) -> "Method":
        """As the params say."""
        return cls(model, params.separate, params.seed, params.process)

    def load(self) -> Separator:
        """The separator, on the device and with the sampling that are wanted.

        Raises:
            UserError: the model cannot be read, or cannot work so.
        """
        separator, device = Separator.load(self.model), device_of(self.separate.accelerator)
        settings = self.process or separator.process.settings
        separator.sample_with(settings.changed(calls=self.calls) if self.calls else settings)
        if not self.separate.int8:
            return separator.to(device)
        if device.type != "cpu":
            raise UserError("int8 is for the CPU; set accelerator to cpu")
        return separator.quantised()

    def plan(self, config: Config) -> Plan:
        """How a song is cut for the model of that config."""
        window = round(self.separate.window_seconds * config.sample_rate)
        return Plan(window, round(window * self.separate.overlap), self.separate.batch_size, self.seed)


@dataclass(frozen=True)
class Window:
    """A piece of a song, filled up to the plan's window; `length` frames of it are song."""

    samples: Samples
    start: int  # samples
    length: int
    last: bool


def write_parts(
    separator: Separator,
    song: Song,
    own: Facts,
    folder: Path,
    plan: Plan,
    comment: str = "",
    progress: Callable[[float], object] = lambda seconds: None,
) -> None:
    """Separate a song into `folder`/<part>.flac at its own rate and channels; all files appear at the end, or none.

    `progress` is told how many seconds were added.

    Raises:
        UserError: the song cannot be read to its end.
        OverflowError: it is far beyond full scale.
    """
    unfinished = folder / ".unfinished"
    remove(unfinished)
    unfinished.mkdir(parents=True)
    paths = [unfinished / f"{part}.flac" for part in separator.config.parts]
    with ExitStack() as stack:
        stack.callback(remove, unfinished)
        with ExitStack() as open_files:
            files = [open_files.enter_context(audio.writer(path, own.sample_rate, own.channels, comment)) for path in paths]
            for block in parts(separator, song, own, plan):
                for file, part in zip(files, block, strict=True):
                    audio.write_block(file, part)
                progress(block.shape[1] / own.sample_rate)
        for path in paths:
            path.replace(folder / path.name)


def separate_track(track: Track, folder: Path, method: Method) -> None:
    """Separate a track of a dataset into `folder`/<track>, unless that was done before."""
    torch.set_num_threads(1)
    separator = method.load()
    config, out = separator.config, folder / track.name
    if all((out / f"{part}.flac").exists() for part in config.parts):
        return
    own = Facts(config.sample_rate, config.channels, frames=0)
    try:
        write_parts(separator, partial(mixture, track), own, out, method.plan(config))
    except OverflowError as error:
        raise UserError(f'"{track.name}": {error}') from None


def separate_files(songs: Sequence[Path], out: Path, method: Method) -> None:
    """Separate each song into out/<its name>, with a progress bar; one that was finished in the same way before is passed over.

    Raises:
        UserError: the model or a song cannot be read, or two songs have the same name. Songs before it stay finished.
    """
    names = [song.stem for song in songs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two songs are called {min(twice)} and would share a folder; separate them one after the other")
    separator = method.load()
    plan = method.plan(separator.config)
    weights, config = (sha256(method.model / name) for name in (WEIGHTS, CONFIG))
    made_with = [weights, config, asdict(plan), separator.process.settings.model_dump(), method.separate.int8]
    for song in songs:
        own = audio.facts(song)
        comment = f"unsung {fingerprint([*made_with, sha256(song)])}"
        folder = out / song.stem
        if not own.frames:
            raise UserError(f"{song} is empty; there is nothing to separate")
        if all(audio.comment(folder / f"{part}.flac") == comment for part in separator.config.parts):
            print(f"{song}: finished before, see {folder}")
            continue
        for old in folder.glob("*.flac"):  # what another model found in this song does not add up with what this one finds
            if audio.comment(old).startswith("unsung "):
                old.unlink()
        try:
            with tqdm(total=own.frames / own.sample_rate, desc=song.name, bar_format=BAR) as bar:
                write_parts(separator, partial(audio.blocks, song), own, folder, plan, comment, bar.update)
        except OverflowError as error:
            raise UserError(f"{song}: {error}") from None
        print(f"{song}: {', '.join(f'{folder / part}.flac' for part in separator.config.parts)}")


def device_of(accelerator: Accelerator) -> torch.device:
    """The device of that name, cuda for gpu; auto takes such a GPU if there is one.

    Raises:
        UserError: a GPU is asked for and there is none.
    """
    there = {"cpu": True, "gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = accelerator if accelerator != "auto" else ("gpu" if there["gpu"] else "cpu")
    if not there[name]:
        raise UserError(f"accelerator is {name}, and torch finds none; set it to auto or cpu")
    return torch.device("cuda" if name == "gpu" else name)


def parts(separator: Separator, song: Song, own: Facts, plan: Plan) -> Iterator[Parts]:
    """Separate a song of any length at any rate into blocks of its parts; their sum is the song's 24-bit integers."""
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
    for batch in _batched(windows(song, plan), plan.batch_size):
        for window, estimate in zip(batch, _estimate(separator, batch, plan), strict=True):
            estimate *= _fades(window, plan)[:, None]
            if tail is not None:
                estimate[:, : plan.overlap] += tail
            done = window.length if window.last else plan.window - plan.overlap
            tail = estimate[:, done:]
            yield estimate[:, :done]


def windows(song: Iterable[Samples], plan: Plan) -> Iterator[Window]:
    """Cut a stream into windows that overlap; the last is filled up with zeros."""
    hop, start, waiting = plan.window - plan.overlap, 0, np.zeros((0, 0), np.float32)
    for block in song:
        waiting = np.concatenate([waiting, block]) if len(waiting) else block
        while len(waiting) > plan.window:
            yield Window(waiting[: plan.window], start, plan.window, last=False)
            waiting, start = waiting[hop:], start + hop
    if len(waiting):
        filled = np.pad(waiting, ((0, plan.window - len(waiting)), (0, 0)))
        yield Window(filled, start, len(waiting), last=True)


def share_out(mixture: Grid, estimates: Stems, covers_song: bool) -> Parts:
    """Integers within full scale that add up to `mixture`, as near to the estimates as that allows.

    What the stems leave is the accompaniment; where they cover the song it is divided among them. Two parts can add up to
    more than full scale, so a song that clips is kept as it is.

    Raises:
        OverflowError: not even all parts at full scale add up to the song.
    """
    low, high = -FULL_SCALE, FULL_SCALE - 1
    left = mixture / FULL_SCALE - estimates.sum(0)
    wanted = estimates + left / len(estimates) if covers_song else np.concatenate([estimates, left[None]])
    if not np.isfinite(wanted).all():
        raise ValueError("the model gives NaN")
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
    """The stems of a batch of windows; other channels than the model's go through it one by one."""
    device = separator.device
    song = torch.from_numpy(np.stack([window.samples for window in batch])).transpose(1, 2)
    together = song.shape[1] == separator.config.channels
    items = song if together else song.flatten(0, 1)[:, None].expand(-1, separator.config.channels, -1)
    seeds = [(plan.seed, window.start, i) for window in batch for i in range(len(items) // len(batch))]
    size = 1 if device.type == "cpu" else len(items)  # a matrix product of another size rounds otherwise, see docs/design.md
    with torch.inference_mode():
        without = [
            separator.counterfactual(some.to(device), generators(numbers, device)).cpu()
            for some, numbers in ((items[i : i + size], seeds[i : i + size]) for i in range(0, len(items), size))
        ]
    estimates = items.unsqueeze(1) - torch.cat(without)
    if not together:
        estimates = estimates.mean(2).unflatten(0, (len(batch), song.shape[1])).transpose(1, 2)
    return estimates.transpose(2, 3).numpy()


def _fades(window: Window, plan: Plan) -> Float[np.ndarray, " _frame"]:
    """Rises where the window before falls, so that the two weights add up to one."""
    fades, rise = np.ones(plan.window, np.float32), (np.arange(plan.overlap, dtype=np.float32) + 0.5) / max(1, plan.overlap)
    if window.start:
        fades[: plan.overlap] = rise
    if not window.last:
        fades[plan.window - plan.overlap :] = rise[::-1]
    return fades


def _batched(windows: Iterator[Window], size: int) -> Iterator[list[Window]]:
    while batch := list(islice(windows, size)):
        yield batch
