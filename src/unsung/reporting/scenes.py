"""What is shown of the test tracks: moments of some of them, with everything that can be seen and heard of a moment.

Tracks are shown from the worst to the best, as many as wanted, evenly along the ranking: no cherries are picked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from unsung import audio
from unsung.audio import Samples
from unsung.config.params import Params
from unsung.data.tracks import Track, mixture
from unsung.models.separator import Separator, generators
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
    """A moment with its sounds, (frame, channel), all of one length, and where the model is unsure."""

    moment: Moment
    mixture: Samples
    truth: dict[str, Samples]
    found: dict[str, Samples]
    spread: dict[
        str, Image
    ]  # for each target the standard deviation of the spectra of several samples; nothing if there is but one
    frames: pd.DataFrame  # the scores of the frames that begin within, `start` in seconds from its own beginning

    @cached_property
    def sounds(self) -> dict[str, Samples]:
        """All that can be heard, by its title."""
        first = next(iter(self.found))
        pairs = {
            f"{source}, {how}": x[source] for source in self.found for how, x in (("separated", self.found), ("true", self.truth))
        }
        return {"mixture": self.mixture, **pairs, f"what is wrong with the {first}": self.found[first] - self.truth[first]}


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


def scenes(
    moments: Sequence[Moment], tracks: Sequence[Track], estimates: Path, frames: pd.DataFrame, separator: Separator, params: Params
) -> Iterator[Scene]:
    """The scenes of the moments in their order."""
    by_name = {track.name: track for track in tracks}
    mine = frames[frames["system"] == SYSTEMS[0]]
    for moment in moments:
        track = by_name[moment.track]
        rate = params.audio.sample_rate
        cut = slice(round(moment.start * rate), round(moment.end * rate))
        song = np.concatenate(list(mixture(track)))[cut]
        truth = {source: samples[cut] for source, samples in references(track, params.model.targets).items()}
        found = {source: audio.read(estimates / track.name / f"{source}.flac")[cut] for source in truth}
        within = mine[(mine["track"] == track.name) & mine["start"].between(moment.start, moment.end, inclusive="left")]
        within = within.assign(start=within["start"] - moment.start)
        yield Scene(moment, song, truth, found, spread(separator, song, params), within)


def spread(separator: Separator, song: Samples, params: Params) -> dict[str, Image]:
    """How far samples of each counterfactual are apart, at each frequency and frame; nothing where all are the same.

    The standard deviation of the spectra over report.spread.samples samples of report.spread.steps network calls each, drawn for
    this moment; what was separated may come of other numbers of them.
    """
    wanted = params.report.spread
    if wanted.samples < 2 or not separator.process.has_state:
        return {}
    sampling = params.sampling | {"samples": wanted.samples, "steps": wanted.steps}
    waveform = torch.from_numpy(song.T.copy())[None]
    with torch.inference_mode():
        found = separator.samples(waveform.to(separator.device), sampling, generators([(params.seed,)], separator.device)).cpu()
    if len(found) == 1:
        return {}
    images = found[:, 0].std(0).square().mean(1).sqrt().numpy()  # of the one song; over its channels
    return dict(zip(params.model.targets, images, strict=True))
