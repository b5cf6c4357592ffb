"""demo: songs that the project composes and plays itself, in the layout of MUSDB18-HQ.

Made on the spot from the seed: no download, no licence to mind (CC0). 52 songs of 20 s are 0.9 GB as 44.1 kHz stereo WAV.
Song i is the same whatever the number of songs or of processes; the test songs are the same whatever the number of others.
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
    title="Demo songs",
    songs="52",
    hours="0.3",
    format="44.1 kHz stereo, 16 bit WAV",
    download="nothing",
    licence="CC0-1.0",
    citation="",
    url="",
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
    """Compose the songs below `root`/train and `root`/test; as in MUSDB18-HQ the validation songs lie in train."""
    jobs = [(split, number) for split in SPLITS for number in range(getattr(settings, split))]
    parallel.over(partial(_write_song, root=root, seed=seed, seconds=settings.seconds), jobs, compute, "compose")


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song, in the order of splits and numbers, which the title ends with."""
    found = [(*_split_and_number(folder.name), folder) for folder in root.glob("t*/*")]
    for split, _, folder in sorted(found, key=lambda song: (SPLITS.index(song[0]), song[1])):
        yield Recording.of_files(folder.name, split, {stem: folder / f"{stem}.wav" for stem in ("mixture", *STEMS)})


def _split_and_number(name: str) -> tuple[Split, int]:
    code = name.rsplit(" ", 1)[1]
    return next(split for split in SPLITS if split.upper().startswith(code[:2])), int(code[2:])


def _folder(root: Path, split: Split, number: int, seed: int) -> Path:
    rng = np.random.default_rng([seed, SPLITS.index(split), number, 1])
    artist, adjective, noun = (words[rng.integers(len(words))] for words in (ARTISTS, ADJECTIVES, NOUNS))
    title = f"{adjective} {noun} {split[:2].upper()}{number + 1:02}"
    return root / ("test" if split == "test" else "train") / f"{artist} - {title}"


def _write_song(job: tuple[Split, int], root: Path, seed: int, seconds: float) -> None:
    """16 bit, and the mixture is the sum of the stems to the last bit."""
    split, number = job
    stems = synth.play(np.random.default_rng([seed, SPLITS.index(split), number]), seconds)
    whole = {name: np.rint(stem * 32767).astype(np.int16) for name, stem in stems.items()}
    whole["mixture"] = sum(whole.values()).astype(np.int16)
    folder = _folder(root, split, number, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in whole.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="PCM_16")
