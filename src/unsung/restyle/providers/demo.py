"""demo: scores that the project composes, played twice: by a pop band and by the carol band.

Notes, chords, tempo and timing are the same in both. Song i of a split follows from the seed alone.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
from pydantic import Field, PositiveInt

from unsung import parallel
from unsung.config.schema import Compute
from unsung.config.section import Section
from unsung.data.synth.band import RATE
from unsung.data.synth.mixing import play_score
from unsung.data.tracks import SPLITS, Recording, Split
from unsung.files import atomically
from unsung.restyle import carol

STYLES = ("pop", "carol")


class Settings(Section):
    """`providers.demo` in restyle/params.yaml."""

    train: PositiveInt
    valid: PositiveInt
    test: PositiveInt
    seconds: Annotated[float, Field(ge=4)]


def compose(root: Path, settings: Settings, seed: int, compute: Compute) -> None:
    """Write <split>/<number>/<style>.wav below `root`, 16 bit, 44.1 kHz stereo, peaks at -6 dB."""
    jobs = [(split, number) for split in SPLITS for number in range(getattr(settings, split))]
    parallel.over(partial(_write_song, root=root, seed=seed, seconds=settings.seconds), jobs, compute, "compose")


def tracks(root: Path, settings: Settings, styles: tuple[str, str]) -> Iterator[Recording]:
    """Every song, in the order of splits and numbers."""
    for split in SPLITS:
        for folder in sorted((root / split).iterdir()):
            yield Recording.of_files(f"{split} {folder.name}", split, {style: folder / f"{style}.wav" for style in styles})


def _write_song(job: tuple[Split, int], root: Path, seed: int, seconds: float) -> None:
    split, number = job
    stems, score = play_score(np.random.default_rng([seed, SPLITS.index(split), number]), seconds)
    song = np.sum(list(stems.values()), axis=0)
    played = {"pop": song * (carol.PEAK / np.abs(song).max()), "carol": carol.play(score, seconds)}
    folder = root / split / f"{number + 1:03}"
    folder.mkdir(parents=True, exist_ok=True)
    for style in STYLES:
        with atomically(folder / f"{style}.wav") as path:
            soundfile.write(path, played[style], RATE, subtype="PCM_16", format="WAV")
