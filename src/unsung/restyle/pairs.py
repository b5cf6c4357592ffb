"""Songs in one or both styles, and what makes the second out of the first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unsung import audio
from unsung.data.tracks import Track
from unsung.errors import UserError
from unsung.restyle.features import Mono


@dataclass(frozen=True)
class Song:
    """A song that is to be restyled. Raises UserError if a sample is no number."""

    name: str
    input: Mono

    def __post_init__(self) -> None:
        check_numbers(self.input, f"{self.name}, input")


@dataclass(frozen=True)
class Pair(Song):
    """A song as it is and as it should become, two waveforms of one length at one rate.

    Raises UserError if their lengths differ or a sample is no number.
    """

    truth: Mono

    def __post_init__(self) -> None:
        if len(self.input) != len(self.truth):
            lengths = f"{len(self.input)} and {len(self.truth)} samples"
            raise UserError(f"{self.name}: the song has {lengths} in its two styles; cut both to one length")
        super().__post_init__()
        check_numbers(self.truth, f"{self.name}, target")


System = Callable[[Song], Mono]  # its estimate of the truth; only the yardsticks among them look at the truth


@dataclass(frozen=True)
class Examples:
    """Training songs in the two styles."""

    inputs: Sequence[Mono]
    targets: Sequence[Mono]
    paired: bool  # inputs[i] and targets[i] are one song

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "Examples":
        """The two styles of pairs."""
        return cls([pair.input for pair in pairs], [pair.truth for pair in pairs], True)


def check_numbers(waveform: Mono, what: str) -> None:
    """Raise UserError if a sample is infinite or no number."""
    if not np.isfinite(waveform).all():
        raise UserError(f"{what}: a sample is not a finite number; write the file anew")


def fitted(waveform: Mono, length: int) -> Mono:
    """The first `length` samples, with silence where there are none."""
    return np.pad(waveform[:length], (0, max(0, length - len(waveform)))).astype(np.float32)


def read_examples(tracks: Sequence[Track], source: str, target: str) -> Examples:
    """The pairs among the tracks or, if there is none, the songs of either style.

    Raises:
        UserError: a style has no song, or one of a pair has another length.
    """
    songs = read_songs(tracks, source, target)
    if pairs := [song for song in songs if isinstance(song, Pair)]:
        return Examples.of(pairs)
    return Examples([song.input for song in songs], read_style(tracks, target), False)


def read_style(tracks: Sequence[Track], style: str) -> list[Mono]:
    """All tracks that have a style. Raises UserError if there is none."""
    if found := [_waveform(track, style) for track in tracks if style in track.stems]:
        return found
    raise UserError(_lacking(style))


def read_songs(tracks: Sequence[Track], source: str, target: str) -> Sequence[Song]:
    """The pairs among the tracks or, if there is none, the songs that are to be restyled.

    Raises:
        UserError: there is no song in the source style, or one of a pair has another length.
    """
    if both := [track for track in tracks if {source, target} <= set(track.stems)]:
        return [Pair(track.name, _waveform(track, source), _waveform(track, target)) for track in both]
    if found := [Song(track.name, _waveform(track, source)) for track in tracks if source in track.stems]:
        return found
    raise UserError(_lacking(source))


def _lacking(style: str) -> str:
    return f"no song of this split is {style}; add some, or change how the splits are made"


def _waveform(track: Track, style: str) -> Mono:
    return audio.read(track.stems[style])[:, 0]


def written(folder: Path) -> System:
    """What the stage restyle wrote, `<song>.flac`, as a system.

    It raises UserError if a file is missing or has another length.
    """

    def read(song: Song) -> Mono:
        path = folder / f"{song.name}.flac"
        samples = audio.read(path)[:, 0] if path.exists() else np.zeros(0, np.float32)
        if len(samples) != len(song.input):
            raise UserError(f"{path} is missing or not of this song; run the stage restyle again (dvc repro -f)")
        return samples

    return read


def kept(system: System, folder: Path, sample_rate: int) -> System:
    """The same system; what it gives is written to `folder`/<song>.flac, 16 bit, too."""

    def written_down(song: Song) -> Mono:
        found = system(song)
        grid = audio.to_grid(np.clip(found, -1, 1 - 2.0**-15)[:, None], bits=16)
        audio.write(folder / f"{song.name}.flac", [grid], sample_rate, 1, bits=16)
        return found

    return written_down
