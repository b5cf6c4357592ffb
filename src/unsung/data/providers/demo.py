"""demo: songs that the project composes and plays itself, in the layout of MUSDB18-HQ.

Made on the spot from the seed: no download, no licence to mind (CC0). 52 songs of 20 s are 0.9 GB as 44.1 kHz stereo WAV.
Song i is the same whatever the number of songs or of processes; the test songs are the same whatever the number of others.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from unsung import parallel
from unsung.config.params import Params
from unsung.data import synth
from unsung.data.synth.band import RATE
from unsung.data.tracks import SPLITS, Recording, Split

ARTISTS = ("The Placeholders", "Null Island", "Loopback", "Ada and the Carry Bits", "Fixed Point", "Monte Carlo", "Heap of Sand")
ADJECTIVES = ("Quiet", "Electric", "Borrowed", "Northern", "Paper", "Second", "Slow", "Hollow", "Golden", "Distant", "Late")
NOUNS = ("River", "Window", "Season", "Signal", "Garden", "Letter", "Mountain", "Mirror", "Harbour", "Winter", "Stranger", "Road")
STEMS = ("drums", "bass", "other", "vocals")


def compose(root: Path, params: Params) -> None:
    """Compose the songs below `root`/train and `root`/test; as in MUSDB18-HQ the validation songs lie in train."""
    demo = params.providers.demo
    jobs = [(split, i) for split in SPLITS for i in range(getattr(demo, split))]
    write = partial(_write_song, root=root, seed=params.seed, seconds=demo.seconds)
    parallel.over(write, jobs, params.compute, "compose")


def tracks(root: Path, params: Params) -> Iterator[Recording]:
    """Every song, in the order of splits and numbers."""
    for split in SPLITS:
        for number in range(getattr(params.providers.demo, split)):
            folder = _folder(root, split, number, params.seed)
            yield Recording.of_files(folder.name, split, {stem: folder / f"{stem}.wav" for stem in ("mixture", *STEMS)})


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
