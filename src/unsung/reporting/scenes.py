"""Which moments of the test tracks are shown, and all that can be seen and heard of each.

Tracks are taken evenly from the ranking by SDR, from the worst to the best: nothing is hand-picked.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from unsung.audio import Samples
from unsung.config.schema import Params
from unsung.data.maps import read_maps
from unsung.data.tracks import Track, mixture
from unsung.errors import UserError
from unsung.scoring.evaluation import SYSTEMS, read_estimate, references
from unsung.scoring.scorer import Rows


@dataclass(frozen=True)
class Moment:
    """A part of a track; `worst` and `sdr` are set if it is shown for its lowest SDR."""

    track: str
    start: float  # seconds
    end: float
    worst: float | None = None  # start of the frame with the lowest SDR, in seconds
    sdr: float | None = None  # dB, of that frame


@dataclass(frozen=True)
class Scene:
    """A moment with its sounds (frame, channel), uncertainty maps and scores."""

    moment: Moment
    mixture: Samples
    references: dict[str, Samples]
    estimates: dict[str, Samples]
    uncertainty: dict[str, np.ndarray]  # magnitudes (freq, frame) of each target; empty if all draws are the same
    frames: pd.DataFrame  # scores of the frames that start in it; `start` counts from the moment's

    @cached_property
    def sounds(self) -> dict[str, Samples]:
        """All that can be heard, by title."""
        first = next(iter(self.estimates))
        both = (("estimate", self.estimates), ("reference", self.references))
        pairs = {f"{source}, {kind}": samples[source] for source in self.estimates for kind, samples in both}
        return {"mixture": self.mixture, **pairs, f"{first}, error": self.estimates[first] - self.references[first]}


def chosen(scores: Rows, frames: pd.DataFrame, params: Params) -> list[Moment]:
    """The middle of some tracks, then the worst moments. `scores` is aggregate.by_track."""
    target = params.model.targets[0]
    mine = [row for row in scores if (row["system"], row["source"]) == (SYSTEMS[0], target)]
    own = frames[(frames["system"] == SYSTEMS[0]) & (frames["source"] == target)]
    return [*_middles(mine, params), *_worst(own, {row["track"]: row["seconds"] for row in mine}, params)]


def lowest_first(score: float) -> tuple[bool, float]:
    """A key to sort scores by: from the lowest to the highest, and last what is NaN."""
    return (True, 0.0) if math.isnan(score) else (False, score)


def _middles(scores: Rows, params: Params) -> list[Moment]:
    """Tracks evenly from the ranking; those without a score come last."""
    ranked = sorted(scores, key=lambda row: (*lowest_first(row["sdr"]), row["track"]))
    places = np.linspace(0, len(ranked) - 1, min(params.report.tracks, len(ranked))).round().astype(int)
    length, shown = params.report.clip_seconds, [ranked[place] for place in places]
    return [_moment(row["track"], (row["seconds"] - length) / 2, length, row["seconds"], params) for row in shown]


def _worst(frames: pd.DataFrame, seconds: Mapping[str, float], params: Params) -> list[Moment]:
    """The lowest SDR of different tracks, with half a clip (in whole frames) around each."""
    lowest = frames.dropna(subset="sdr").sort_values(["sdr", "track"]).drop_duplicates("track").head(params.report.worst_moments)
    window = params.evaluate.window_seconds
    length = np.ceil(params.report.clip_seconds / 2 / window) * window
    before = (length - window) / 2
    return [
        _moment(row.track, row.start - before, length, seconds[row.track], params, worst=row.start, sdr=row.sdr)
        for row in lowest.itertuples()
    ]


def _moment(track: str, start: float, length: float, whole: float, params: Params, **worst: float) -> Moment:
    """`length` seconds from the frame at `start` on, within a track of `whole` seconds."""
    window = params.evaluate.window_seconds
    first = int(max(0.0, min(start, whole - length)) / window + 1e-9) * window
    return Moment(track, first, min(whole, first + length), **worst)


def scenes(
    moments: Sequence[Moment], tracks: Sequence[Track], frames: pd.DataFrame, separated: Path, uncertainty: Path, params: Params
) -> Iterator[Scene]:
    """The scenes of the moments, in the same order, from the folders that `separate` wrote.

    Raises:
        UserError: a scored track is not among `tracks`, or what was made of it is not whole.
    """
    by_name = {track.name: track for track in tracks}
    if gone := {moment.track for moment in moments} - set(by_name):
        raise UserError(f'"{min(gone)}" has scores and is no test track; run the stage evaluate again (dvc repro -f evaluate)')
    rate, targets = params.audio.sample_rate, params.model.targets
    mine = frames[frames["system"] == SYSTEMS[0]]
    for moment in moments:
        track = by_name[moment.track]
        cut = slice(round(moment.start * rate), round(moment.end * rate))
        true = {source: samples[cut] for source, samples in references(track, targets).items()}
        song = np.concatenate(list(mixture(track)))
        estimates = {source: read_estimate(separated / track.name / f"{source}.flac", song.shape)[cut] for source in true}
        maps = read_maps(uncertainty / track.name, targets, cut, params.stft.hop_length)
        within = mine[(mine["track"] == track.name) & mine["start"].between(moment.start, moment.end, inclusive="left")]
        within = within.assign(start=within["start"] - moment.start)
        yield Scene(moment, song[cut], true, estimates, maps, within)
