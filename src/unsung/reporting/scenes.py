"""What is shown of the test tracks: moments of some of them, with everything that can be seen and heard of a moment.

Tracks are shown from the worst to the best, as many as wanted, evenly along the ranking: no cherries are picked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from unsung import audio
from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.data.maps import read_maps
from unsung.data.tracks import Track, mixture
from unsung.scoring.evaluation import SYSTEMS, references

Image = np.ndarray  # magnitudes (freq, frame)


@dataclass(frozen=True)
class Moment:
    """Some seconds of a track; `worst` is the second at which it fails most, if that is why it is shown."""

    track: str
    start: float  # seconds
    end: float
    worst: float | None = None
    sdr: float | None = None  # dB, of that frame


@dataclass(frozen=True)
class Scene:
    """A moment with its sounds, (frame, channel), all of one length, its uncertainty maps and scores."""

    moment: Moment
    mixture: Samples
    references: dict[str, Samples]
    estimates: dict[str, Samples]
    uncertainty: dict[str, Image]  # of each target; nothing where all draws are the same
    frames: pd.DataFrame  # the scores of the frames that begin within, `start` in seconds from its own beginning

    @cached_property
    def sounds(self) -> dict[str, Samples]:
        """All that can be heard, by its title."""
        first = next(iter(self.estimates))
        both = (("estimate", self.estimates), ("reference", self.references))
        pairs = {f"{source}, {kind}": samples[source] for source in self.estimates for kind, samples in both}
        return {"mixture": self.mixture, **pairs, f"{first}, error": self.estimates[first] - self.references[first]}


def chosen(scores: pd.DataFrame, frames: pd.DataFrame, params: Params) -> list[Moment]:
    """The middle of some tracks, then the worst moments. `scores` is aggregate.by_track, `frames` what they are the medians of."""
    target = params.model.targets[0]
    mine = scores[(scores["system"] == SYSTEMS[0]) & (scores["source"] == target)].set_index("track")
    return [*_middles(mine, params), *_worst(frames[frames["source"] == target], mine["seconds"], params)]


def _middles(mine: pd.DataFrame, params: Params) -> list[Moment]:
    """Tracks without a score come last."""
    ranked = mine.rename_axis("track").reset_index().sort_values(["sdr", "track"])
    places = np.linspace(0, len(ranked) - 1, min(params.report.tracks, len(ranked))).round().astype(int)
    length = params.report.clip_seconds
    return [_moment(row.track, (row.seconds - length) / 2, length, row.seconds, params) for row in ranked.iloc[places].itertuples()]


def _worst(frames: pd.DataFrame, seconds: pd.Series, params: Params) -> list[Moment]:
    """The frames with the lowest SDR, each of another track, and half a clip (in whole frames) around them."""
    mine = frames[frames["system"] == SYSTEMS[0]].dropna(subset="sdr")
    lowest = mine.sort_values(["sdr", "track"]).drop_duplicates("track").head(params.report.worst_moments)
    window = params.evaluate.window_seconds
    length = np.ceil(params.report.clip_seconds / 2 / window) * window
    found = []
    for row in lowest.itertuples():
        middle = _moment(row.track, row.start + (window - length) / 2, length, float(seconds[row.track]), params)
        found.append(replace(middle, worst=row.start, sdr=row.sdr))
    return found


def _moment(track: str, start: float, length: float, whole: float, params: Params) -> Moment:
    """`length` seconds from about `start` on, beginning with a frame, within a track of `whole` seconds."""
    window = params.evaluate.window_seconds
    first = int(max(0.0, min(start, whole - length)) / window + 1e-9) * window
    return Moment(track, first, min(whole, first + length))


@dataclass(frozen=True)
class Folders:
    """Where the stage `separate` wrote the estimates and the uncertainty maps of the test tracks."""

    estimates: Path
    uncertainty: Path


def scenes(
    moments: Sequence[Moment], tracks: Sequence[Track], frames: pd.DataFrame, folders: Folders, params: Params
) -> Iterator[Scene]:
    """The scenes of the moments in their order."""
    by_name = {track.name: track for track in tracks}
    rate, targets = params.audio.sample_rate, params.model.targets
    mine = frames[frames["system"] == SYSTEMS[0]]
    for moment in moments:
        track = by_name[moment.track]
        cut = slice(round(moment.start * rate), round(moment.end * rate))
        true = {source: samples[cut] for source, samples in references(track, targets).items()}
        estimates = {source: audio.read(folders.estimates / track.name / f"{source}.flac")[cut] for source in true}
        maps = read_maps(folders.uncertainty / track.name, targets, cut, params.stft.hop_length)
        within = mine[(mine["track"] == track.name) & mine["start"].between(moment.start, moment.end, inclusive="left")]
        within = within.assign(start=within["start"] - moment.start)
        yield Scene(moment, np.concatenate(list(mixture(track)))[cut], true, estimates, maps, within)
