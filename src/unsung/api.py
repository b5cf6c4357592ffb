"""Separate in Python: `unsung.load("songs").separate(samples, sample_rate)`."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from unsung.audio import FULL_SCALE, Facts, Grain, Samples
from unsung.config.schema import Accelerator, Separate
from unsung.config.section import validate
from unsung.errors import UserError
from unsung.formats import Encoding, Name
from unsung.models.separator import Separator
from unsung.parallel import default_workers
from unsung.places import Wanted
from unsung.progress import Report
from unsung.separation import Method, parts
from unsung.shipped import folder_of
from unsung.songs import Batch, Separating, check

Progress = Callable[[float], object]  # is told how many seconds of the song are done
FLOATS = Grain(headroom=2)


def load(
    model: str | Path = "songs",
    accelerator: Accelerator = "auto",
    *,
    calls: int | None = None,
    seed: int = 0,
    window_seconds: float = 8.0,
    overlap: float = 0.25,
    batch_size: int = 4,
    bfloat16: bool = False,
    int8: bool = False,
    jobs: int | None = None,
) -> "Model":
    """Load a model once, for many songs. The options are those of `unsung separate`.

    Args:
        model: one that `unsung models` lists, or a model folder.
        accelerator: auto, cpu, gpu, gpu:1 or mps.
        calls: network calls for each window; None is what suits the process.
        seed: of the sampling, where it is random.
        window_seconds: what is separated at once.
        overlap: share of a window that fades into the next.
        batch_size: windows at once on a GPU.
        bfloat16: 16-bit floats.
        int8: 8-bit matrices, on a CPU.
        jobs: CPU cores to use; None is all of them.

    Raises:
        UserError: there is no such model or accelerator, or an option is not possible.
    """
    options: dict[str, object] = {"window_seconds": window_seconds, "overlap": overlap, "batch_size": batch_size}
    options |= {"accelerator": accelerator, "int8": int8}
    method = Method(folder_of(Path(model)), validate(Separate, options, "the options"), seed, calls=calls, bfloat16=bfloat16)
    return Model(method, jobs or default_workers(1.0))


class Model:
    """A separator that is loaded, on its device."""

    def __init__(self, method: Method, jobs: int = 1) -> None:
        torch.set_num_threads(1)  # a window has one, so the samples do not depend on the jobs
        self._method, self._separator = method, method.load()
        self._jobs = jobs if self._separator.device.type == "cpu" else 1

    @property
    def separator(self) -> Separator:
        """The torch module."""
        return self._separator

    @property
    def parts(self) -> tuple[str, ...]:
        """What a song becomes: the targets, and the accompaniment unless they cover the song."""
        return self._separator.config.parts

    @property
    def sample_rate(self) -> int:
        """Hz, at which the model works; songs may have any rate."""
        return self._separator.config.sample_rate

    def separate(self, song: np.ndarray, sample_rate: int, progress: Progress = lambda seconds: None) -> dict[str, np.ndarray]:
        """Separate samples: float, or 16 or 32-bit integers, of shape (frame,) or (frame, channel).

        Returns float32 of the same shape for each part. They add up to the song,
        rounded to 24 bits. What is beyond twice full scale is refused.

        Raises:
            UserError: the samples have another shape or type, or are not finite or too loud.
        """
        song = np.asarray(song)
        if song.ndim not in (1, 2) or not len(song) or (song.ndim == 2 and not 0 < song.shape[1] <= 64):
            raise UserError(f"the song has the shape {song.shape}; it must be (frame,) or (frame, channel)")
        if song.dtype not in (np.int16, np.int32) and not np.issubdtype(song.dtype, np.floating):
            raise UserError(f"the song has samples of type {song.dtype}; give floats, or integers of 16 or 32 bits")
        scale = 1.0 if np.issubdtype(song.dtype, np.floating) else float(np.iinfo(song.dtype).max) + 1
        wide = (song.reshape(len(song), -1) / scale).astype(np.float32)
        found: dict[str, list[np.ndarray]] = {part: [] for part in self.parts}
        for block in self.stream([wide], sample_rate, progress):
            for part, samples in block.items():
                found[part].append(samples)
        return {part: np.concatenate(blocks).reshape(song.shape) for part, blocks in found.items()}

    def stream(
        self, blocks: Iterable[Samples], sample_rate: int, progress: Progress = lambda seconds: None
    ) -> Iterator[dict[str, Samples]]:
        """Separate a stream of float32 blocks (frame, channel) of any length, in bounded memory.

        Yields blocks of each part as soon as they are known: about a window later.

        Raises:
            UserError: the samples are not finite or too loud.
        """
        source = iter(blocks)
        first = next(source, None)
        if first is None:
            return
        if first.ndim != 2 or sample_rate <= 0:
            raise UserError(f"the blocks have the shape {first.shape} at {sample_rate} Hz; it must be (frame, channel)")
        song = map(_finite, itertools.chain([first], source))
        own, done = Facts(sample_rate, first.shape[1], 0), 0
        plan = self._method.plan(self._separator.config)
        try:
            with ThreadPoolExecutor(self._jobs) if self._jobs > 1 else nullcontext() as pool:
                for found in parts(self._separator, song, own, plan, FLOATS, pool):
                    done += found.shape[1]
                    yield {part: (block / FULL_SCALE).astype(np.float32) for part, block in zip(self.parts, found, strict=True)}
                    progress(done / sample_rate)
        except ArithmeticError as error:
            raise UserError(str(error)) from None

    def separate_file(
        self,
        song: str | Path,
        out: str | Path = "out",
        *,
        format: Name = "flac",
        bits: int | None = None,
        bitrate: int | None = None,
        stems: Sequence[str] = (),
        name: str = "",
        start: float = 0.0,
        duration: float | None = None,
        listen: bool = False,
        progress: Progress = lambda seconds: None,
    ) -> Mapping[str, Path]:
        """Separate a file into files, as `unsung separate` does with the same options.

        Returns the path of each part; what was finished before is not separated again.

        Raises:
            UserError: the song cannot be read, or its files cannot be written.
        """
        wanted = Wanted(Path(out), Encoding(format, bits, bitrate), tuple(stems), name, start, duration, listen, self._jobs)
        batch = Batch(Separating(self._separator, self._method), wanted)
        outcomes = batch.make([(Path(song), Path())], lambda songs: _Told(progress))
        check(outcomes)
        return outcomes[0].files


def _finite(block: Samples) -> Samples:
    if not np.isfinite(block).all():
        raise UserError("the song has NaN or infinite samples; give it without them")
    return block


class _Told(Report):
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def move(self, song: Path, seconds: float, of: float) -> None:
        self.progress(seconds)
