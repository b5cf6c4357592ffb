"""How much a recording sounds like the target style: a classifier, and a distance of textures.

The classifier hears the mean colour, so that a filter (an equaliser) deceives it. The distance
hears what no filter can change: how the colour moves within half a second. A recording of another
song in the style has both; whether it is the same song must be asked elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from unsung.restyle.features import Mono, hop_length, timbre
from unsung.restyle.ridge import Ridge, fit_ridge

Timbre = Float[np.ndarray, "_frame coefficient"]
Textures = Float[np.ndarray, "_row feature"]

WINDOW = 0.75  # seconds of a texture
ROWS = 200  # textures of a song, at most
TARGETS = 2000  # textures of the style, at most
SCALES = (0.2, 0.5, 1.0)  # widths of the kernel, times the median squared distance
PENALTY = 0.1


@dataclass(frozen=True)
class Scaling:
    """Numbers of mean 0 and deviation 1 where it was fitted."""

    mean: Float[np.ndarray, " feature"]
    deviation: Float[np.ndarray, " feature"]

    def __call__(self, rows: Float[np.ndarray, "_row feature"]) -> Float[np.ndarray, "_row feature"]:
        """The rows, scaled."""
        return (rows - self.mean) / self.deviation


def fit_scaling(rows: Float[np.ndarray, "_row feature"]) -> Scaling:
    """A number that never changes is only shifted."""
    deviation = rows.std(axis=0)
    return Scaling(rows.mean(axis=0), np.where(deviation > 1e-6, deviation, 1.0))


@dataclass(frozen=True)
class Style:
    """What was learned of a target style from training songs."""

    sample_rate: int  # Hz
    colours: Scaling
    classifier: Ridge  # from a colour to -1, the inputs' style, or 1, the targets'
    scaling: Scaling  # of textures
    targets: Textures
    width: float  # median squared distance between targets

    def timbre(self, waveform: Mono) -> Timbre:
        """What `margin` and `textures` hear."""
        return timbre(waveform, self.sample_rate)

    def margin(self, heard: Timbre) -> float:
        """About 1 for the target style and -1 for the style of the inputs."""
        return float(self.classifier(self.colours(_colour(heard)[None]))[0, 0])

    def textures(self, heard: Timbre) -> Textures:
        """At most ROWS textures of a song, evenly spread."""
        return self.scaling(_textures(heard, _frames(self.sample_rate)))

    def likeness(self, some: Textures, others: Textures) -> float:
        """The mean of a sum of Gaussian kernels over all pairs, 0..1."""
        squares = _squares(some, others) / self.width
        return float(np.mean([np.exp(-squares / scale).mean() for scale in SCALES]))

    @cached_property
    def within(self) -> float:
        """How alike the targets are."""
        return self.likeness(self.targets, self.targets)

    def distance(self, songs: Sequence[Textures]) -> float:
        """The squared maximum mean discrepancy between songs, pooled, and the style; not below 0.

        Gretton et al. 2012, JMLR 13, the biased estimate. Every song weighs the same.
        """
        return float(self.table(songs).distance(np.full((1, len(songs)), 1 / len(songs)))[0])

    def table(self, songs: Sequence[Textures]) -> "Likenesses":
        """All that the distance of any weighting of these songs needs."""
        between = np.array([[self.likeness(one, other) for other in songs] for one in songs])
        to_style = np.array([self.likeness(one, self.targets) for one in songs])
        return Likenesses(between, to_style, self.within)


@dataclass(frozen=True)
class Likenesses:
    """Mean kernels between songs, and between songs and a style."""

    between: Float[np.ndarray, "song song"]
    to_style: Float[np.ndarray, " song"]
    within_style: float

    def distance(self, weights: Float[np.ndarray, "draw song"]) -> Float[np.ndarray, " draw"]:
        """The distance of songs that are drawn with weights; they add up to 1."""
        own = ((weights @ self.between) * weights).sum(axis=1)
        return np.maximum(own - 2 * weights @ self.to_style + self.within_style, 0)


def fit_style(inputs: Sequence[Mono], targets: Sequence[Mono], sample_rate: int) -> Style:
    """Learn from training songs in both styles; they need not be the same songs."""
    before, after = ([timbre(waveform, sample_rate) for waveform in some] for some in (inputs, targets))
    colours = np.stack([_colour(heard) for heard in (*before, *after)])
    labels = np.repeat([[-1.0], [1.0]], [len(before), len(after)], axis=0)
    of_colours = fit_scaling(colours)
    textures = np.concatenate([_textures(heard, _frames(sample_rate)) for heard in after])
    scaling = fit_scaling(textures)
    chosen = scaling(_spread(textures, TARGETS))
    width = max(float(np.median(_squares(chosen, chosen))), 1e-6)
    return Style(sample_rate, of_colours, fit_ridge([(of_colours(colours), labels)], PENALTY), scaling, chosen, width)


def _frames(sample_rate: int) -> int:
    return round(WINDOW * sample_rate / hop_length(sample_rate))


def _colour(heard: Timbre) -> Float[np.ndarray, " feature"]:
    return np.concatenate([heard.mean(axis=0), heard.std(axis=0)])


def _textures(heard: Timbre, frames: int) -> Textures:
    """Means and deviations of windows; without the song's mean, which is all that a filter adds."""
    windows = np.lib.stride_tricks.sliding_window_view(heard - heard.mean(axis=0), frames, axis=0)
    some = _spread(windows, ROWS)
    return np.hstack([some.mean(axis=-1), some.std(axis=-1)])


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]


def _squares(some: Textures, others: Textures) -> Float[np.ndarray, "_row _other"]:
    return np.maximum((some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T, 0)
