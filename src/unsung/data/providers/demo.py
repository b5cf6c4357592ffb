"""demo: songs that the project composes and plays itself, in the layout of MUSDB18-HQ.

Song i follows from the seed alone, whatever the number of songs or of processes. The test songs do
not depend on the number of the others. 52 songs of 20 s are 0.9 GB as WAV.
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
from unsung.data import synth
from unsung.data.providers.base import Facts
from unsung.data.synth.band import RATE
from unsung.data.tracks import SPLITS, Recording, Split

FACTS = Facts(
    title="Demo songs", songs="52", hours="0.3", format="44.1 kHz stereo, 16 bit WAV", download="nothing", licence="CC0-1.0"
)

ARTISTS = ("The Placeholders", "Null Island", "Loopback", "Ada and the Carry Bits", "Fixed Point", "Monte Carlo", "Heap of Sand")
ADJECTIVES = ("Quiet", "Electric", "Borrowed", "Northern", "Paper", "Second", "Slow", "Hollow", "Golden", "Distant", "Late")
NOUNS = ("River", "Window", "Season", "Signal", "Garden", "Letter", "Mountain", "Mirror", "Harbour", "Winter", "Stranger", "Road")
STEMS = ("drums", "bass", "other", "vocals")


class Settings(Section):
    """`providers.demo` in params.yaml."""

    train: PositiveInt
    valid: PositiveInt
    test: PositiveInt
    seconds: Annotated[float, Field(ge=4)]


def compose(root: Path, settings: Settings, seed: int, compute: Compute) -> None:
    """Compose the songs below `root`/train, which has the validation songs too, and `root`/test."""
    jobs = [(split, number) for split in SPLITS for number in range(getattr(settings, split))]
    parallel.over(partial(_write_song, root=root, seed=seed, seconds=settings.seconds), jobs, compute, "compose")


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song, in the order of splits and numbers, which the title ends with."""
    songs = [(*_split_and_number(folder.name), folder) for folder in root.glob("t*/*")]
    for split, _, folder in sorted(songs, key=lambda song: (SPLITS.index(song[0]), song[1])):
        yield Recording.of_files(folder.name, split, {stem: folder / f"{stem}.wav" for stem in ("mixture", *STEMS)})


def _split_and_number(name: str) -> tuple[Split, int]:
    code = name.rsplit(" ", 1)[1]
    return next(split for split in SPLITS if split.upper().startswith(code[:2])), int(code[2:])


def _write_song(job: tuple[Split, int], root: Path, seed: int, seconds: float) -> None:
    """Write 16 bit WAV files; the mixture is the sum of the stems to the last bit."""
    split, number = job
    key = [seed, SPLITS.index(split), number]
    stems = synth.play(np.random.default_rng(key), seconds)
    files = {stem: np.rint(samples * 32767).astype(np.int16) for stem, samples in stems.items()}
    files["mixture"] = sum(files.values()).astype(np.int16)
    rng = np.random.default_rng([*key, 1])
    artist, adjective, noun = (words[rng.integers(len(words))] for words in (ARTISTS, ADJECTIVES, NOUNS))
    name = f"{artist} - {adjective} {noun} {split[:2].upper()}{number + 1:02}"
    folder = root / ("test" if split == "test" else "train") / name
    folder.mkdir(parents=True, exist_ok=True)
    for stem, samples in files.items():
        soundfile.write(folder / f"{stem}.wav", samples, RATE, subtype="PCM_16")
