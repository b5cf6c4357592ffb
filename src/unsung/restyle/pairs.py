"""One song in two styles, and what makes the second out of the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unsung import audio
from unsung.data.tracks import Track
from unsung.errors import UserError
from unsung.restyle.features import Mono


@dataclass(frozen=True)
class Pair:
    """A song as it is and as it should become, two waveforms of one length at one rate.

    Raises UserError if their lengths differ or a sample is no number.
    """

    name: str
    input: Mono
    truth: Mono

    def __post_init__(self) -> None:
        if len(self.input) != len(self.truth):
            lengths = f"{len(self.input)} and {len(self.truth)} samples"
            raise UserError(f"{self.name}: the song has {lengths} in its two styles; cut both to one length")
        for style, waveform in (("input", self.input), ("target", self.truth)):
            check_numbers(waveform, f"{self.name}, {style}")


System = Callable[[Pair], Mono]  # its estimate of the truth; only the yardsticks among them look at the truth


def check_numbers(waveform: Mono, what: str) -> None:
    """Raise UserError if a sample is infinite or no number."""
    if not np.isfinite(waveform).all():
        raise UserError(f"{what}: a sample is not a finite number; write the file anew")


def fitted(waveform: Mono, length: int) -> Mono:
    """The first `length` samples, with silence where there are none."""
    return np.pad(waveform[:length], (0, max(0, length - len(waveform)))).astype(np.float32)


def read_pairs(tracks: Sequence[Track], source: str, target: str) -> list[Pair]:
    """The tracks that have both styles, as waveforms.

    Raises:
        UserError: there is none, or one of them has another length in its two styles.
    """
    both = [track for track in tracks if {source, target} <= set(track.stems)]
    if not both:
        raise UserError(f"no song has both {source} and {target}; add pairs, or change how the splits are made")
    return [Pair(track.name, *(audio.read(track.stems[style])[:, 0] for style in (source, target))) for track in both]


def written(folder: Path) -> System:
    """What the stage restyle wrote, `<song>.flac`, as a system.

    It raises UserError if a file is missing or has another length.
    """

    def read(song: Pair) -> Mono:
        path = folder / f"{song.name}.flac"
        samples = audio.read(path)[:, 0] if path.exists() else np.zeros(0, np.float32)
        if len(samples) != len(song.input):
            raise UserError(f"{path} is missing or not of this song; run the stage restyle again (dvc repro -f)")
        return samples

    return read


def kept(system: System, folder: Path, sample_rate: int) -> System:
    """The same system; what it gives is written to `folder`/<song>.flac, 16 bit, too."""

    def written_down(song: Pair) -> Mono:
        found = system(song)
        grid = audio.to_grid(np.clip(found, -1, 1 - 2.0**-15)[:, None], bits=16)
        audio.write(folder / f"{song.name}.flac", [grid], sample_rate, 1, bits=16)
        return found

    return written_down
