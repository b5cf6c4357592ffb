"""Separate songs of any length in bounded memory, in overlapping windows that fade into each other.

Stems are estimated at the model's sample rate and resampled to the song's. The accompaniment is the
song minus the stems, in integers, so that the files add up to the song to the last bit.
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
Parts = Int[np.ndarray, "_part _frame _channel"]  # stems, and the accompaniment unless they cover the song
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of music [{elapsed}<{remaining}]"
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

    def plan(self, config: Config) -> Plan:
        """How a song is cut for a model with this config."""
        window = round(self.separate.window_seconds * config.sample_rate)
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


def write_parts(
    separator: Separator, song: Song, out: Output, plan: Plan, progress: Callable[[float], object] = lambda seconds: None
) -> None:
    """Separate a song into `out.folder/<part>.flac`; all files appear at the end, or none.

    `progress` is told how many seconds were added.

    Raises:
        UserError: the song cannot be read to its end.
        OverflowError: it is far beyond full scale.
    """
    unfinished = out.folder / ".unfinished"
    remove(unfinished)
    unfinished.mkdir(parents=True)
    paths = [unfinished / f"{part}.flac" for part in separator.config.parts]
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(audio.writer(p, out.own.sample_rate, out.own.channels, out.comment)) for p in paths]
            for block in parts(separator, song, out.own, plan):
                for file, part in zip(files, block, strict=True):
                    audio.write_block(file, part)
                progress(block.shape[1] / out.own.sample_rate)
        for path in paths:
            path.replace(out.folder / path.name)
    finally:
        remove(unfinished)


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
    except OverflowError as error:
        raise UserError(f'"{track.name}": {error}') from None
    except FloatingPointError as error:
        raise UserError(f'the model {method.model} {error} on "{track.name}"; train it anew') from None


def separate_files(songs: Sequence[Path], out: Path, method: Method) -> None:
    """Separate each song into the folder `out/<its name>`, unless the same was done before.

    Raises:
        UserError: the model or a song cannot be read, or two share a name; earlier songs are kept.
    """
    names = [song.stem for song in songs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"two songs are called {min(twice)} and would share a folder; separate them one after the other")
    separator = method.load()
    plan = method.plan(separator.config)
    weights, config = (sha256(method.model / name) for name in (WEIGHTS, CONFIG))
    made_with = [weights, config, asdict(plan), separator.process.settings.model_dump(), method.separate.int8]
    for song in songs:
        own, comment = audio.facts(song), f"unsung {fingerprint([*made_with, sha256(song)])}"
        if not own.frames:
            raise UserError(f"{song} is empty; there is nothing to separate")
        folder = out / song.stem
        paths = [folder / f"{part}.flac" for part in separator.config.parts]
        if all(audio.comment(path) == comment for path in paths):
            print(f"{song}: finished before, see {folder}")
            continue
        for old in folder.glob("*.flac"):  # the parts of another model would not add up with the new ones
            if audio.comment(old).startswith("unsung "):
                old.unlink()
        try:
            with tqdm(total=own.frames / own.sample_rate, desc=song.name, bar_format=BAR) as bar:
                write_parts(separator, partial(audio.blocks, song), Output(folder, own, comment), plan, bar.update)
        except OverflowError as error:
            raise UserError(f"{song}: {error}") from None
        except FloatingPointError as error:
            raise UserError(f"the model {method.model} {error} on {song}; get it anew, or another one") from None
        print(f"{song}: {', '.join(map(str, paths))}")


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
        OverflowError: even parts at full scale do not add up to the song.
        FloatingPointError: an estimate is not a number.
    """
    low, high = -FULL_SCALE, FULL_SCALE - 1
    left = mixture / FULL_SCALE - estimates.sum(0)
    wanted = estimates + left / len(estimates) if covers_song else np.concatenate([estimates, left[None]])
    if not np.isfinite(wanted).all():
        raise FloatingPointError("gives NaN or infinite samples")
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
