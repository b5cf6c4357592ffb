"""What is separated: real recordings with their stems, in four sets.

DATA holds

    songs_valid/<song>/{mixture,vocals,accompaniment}.flac
    mir1k/                        MIR-1K, or a part of it; sets follow from the singers' names
    musdb18_excerpts/*.stem.mp4   and the excerpt that the package stempeg brings

Models are chosen by their scores on songs_valid and the clips of MIR-1K's training singers
(recipes/songs/valid.py). What was chosen by a set scores too well on it. So test sets are for one
look, when the model is final: by default `make peers` measures the sets of `valid` only.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unsung.audio import Samples
from unsung.data.providers import mir1k
from unsung.data.providers.base import Limited
from unsung.data.providers.musdb import ENDING, STREAMS
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError

SETS = {"valid": ("songs_valid", "mir1k_train"), "test": ("songs_valid", "mir1k_train", "musdb_excerpts", "mir1k_test")}
CLIPS = 24  # of MIR-1K's training singers, as in recipes/songs/valid.py
REFERENCES = ("vocals", "accompaniment")
CHANNELS = {"mir1k_train": 1, "mir1k_test": 1}  # all others are stereo


@dataclass(frozen=True)
class Piece:
    """A recording of a set."""

    set: str
    recording: Recording

    @property
    def name(self) -> str:
        """Its name, with which it appears once in its set."""
        return self.recording.name

    @property
    def files(self) -> list[Path]:
        """The files that it is read from."""
        return sorted({source.path for sources in self.recording.stems.values() for source in sources})

    @property
    def sample_rate(self) -> int:
        """Hz, the same for all its stems."""
        return self._first.facts().sample_rate

    @property
    def seconds(self) -> float:
        """Its length."""
        facts = self._first.facts()
        return facts.frames / facts.sample_rate

    @property
    def _first(self) -> Source:
        return self.recording.stems["vocals"][0]

    def mixture(self) -> Samples:
        """What is separated: as its dataset gives it, or else the sum of the stems."""
        stems = self.recording.stems
        return self._sum(["mixture"] if "mixture" in stems else list(stems))

    def references(self) -> dict[str, Samples]:
        """The vocals, and the sum of all other stems."""
        others = [stem for stem in self.recording.stems if stem not in ("vocals", "mixture")]
        return dict(zip(REFERENCES, (self._sum(["vocals"]), self._sum(others)), strict=True))

    def _sum(self, stems: list[str]) -> Samples:
        channels = CHANNELS.get(self.set, 2)
        sources = [source for stem in stems for source in self.recording.stems[stem]]
        signals = np.stack([np.concatenate(list(source.blocks(channels))) for source in sources])
        return signals.sum(axis=0, dtype=np.float64).astype(np.float32)


def pieces(data: Path, sets: str, limit: int | None = None) -> list[Piece]:
    """All recordings of the sets; `limit` takes the first clips of each set of MIR-1K.

    Raises:
        UserError: a set has none.
    """
    found = []
    for name in SETS[sets]:
        some = [Piece(name, recording) for recording in _recordings(data, name)]
        if not some:
            raise UserError(f"{data} holds nothing for {name}; benchmarks/peers/recordings.py says what has to be there")
        found += some[:limit] if name in CHANNELS else some
    return found


def _recordings(data: Path, name: str) -> Iterator[Recording]:
    if name == "songs_valid":
        for folder in sorted((data / name).glob("*/")):
            yield Recording.of_files(folder.name, "valid", {stem: folder / f"{stem}.flac" for stem in ("mixture", *REFERENCES)})
    elif name == "musdb_excerpts":
        folders = [data / "musdb18_excerpts", *_stempeg()]
        for path in sorted(path for folder in folders for path in folder.glob(f"*{ENDING}")):
            yield Recording(path.name.removesuffix(ENDING), "test", {stem: (Source(path, i),) for i, stem in enumerate(STREAMS)})
    else:
        clips = list(mir1k.tracks(data / "mir1k", Limited(limit=0), ("vocals",))) if (data / "mir1k").exists() else []
        test = [clip for clip in clips if clip.split == "test"]
        train = [clip for clip in clips if clip.split != "test"]
        yield from test if name == "mir1k_test" else train[:: max(1, len(train) // CLIPS)][:CLIPS]


def _stempeg() -> list[Path]:
    """The folder of stempeg's example; the package is found, not imported: it needs ffmpeg."""
    spec = importlib.util.find_spec("stempeg")
    places = spec.submodule_search_locations if spec else None
    return [Path(place) / "data" for place in places or []]
