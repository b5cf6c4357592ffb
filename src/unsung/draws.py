"""What a separator draws: the counterfactuals of a moment of a track, and how good they are.

Truths are those of the counterfactuals, SDRs are of the targets.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unsung import audio, spectrum
from unsung.audio import Samples
from unsung.data.tracks import Track, mixture
from unsung.devices import generators
from unsung.models.networks.base import Mixture, State
from unsung.models.processes.base import Draws
from unsung.models.separator import Separator
from unsung.scoring.generation import Spread, crps, spread
from unsung.scoring.whole import global_sdr, stft_distance

Waveforms = Float[Tensor, "target channel sample"]
QUIET = 1e-3  # rms of a target that does not sound
STREAM = 8  # of random numbers: not those of training and separating


@dataclass(frozen=True)
class Segment:
    """A moment of a track."""

    mixture: Float[Tensor, "channel sample"]
    targets: Waveforms


@dataclass(frozen=True)
class Case:
    """A segment in the frequency domain at the level that the network sees."""

    segment: Segment
    y: Mixture
    truth: State
    scale: float


@dataclass(frozen=True)
class Scores:
    """Of a case. crps and mae are of spectra at a mixture of rms 1."""

    sdr: float  # dB, of the first draw
    sdr_of_mean: float  # dB, of the mean of all
    stft_distance: float  # of the first draw
    crps: float
    mae: float  # of the mean
    spread: Spread


def segments(track: Track, targets: Sequence[str], samples: int, count: int) -> Iterator[Segment]:
    """`count` segments of a track, evenly spread, without those in which a target is silent."""
    whole = torch.from_numpy(np.concatenate(list(mixture(track))).T.copy())
    parts = torch.stack([torch.from_numpy(audio.read(track.stems[target]).T.copy()) for target in targets])
    for first in np.linspace(0, max(0, whole.shape[1] - samples), count).astype(int):
        some = slice(int(first), int(first) + samples)
        if whole[:, some].shape[1] == samples and (parts[..., some].square().mean((1, 2)).sqrt() > QUIET).all():
            yield Segment(whole[:, some], parts[..., some])


def case(separator: Separator, segment: Segment) -> Case:
    """The spectra of a segment."""
    stft = separator.config.stft
    y, stems = stft.forward(segment.mixture)[None], stft.forward(segment.targets)[None]
    scale = float(spectrum.rms(y))
    return Case(segment, y / scale, (y.unsqueeze(1) - stems) / scale, scale)


@torch.inference_mode()
def draws(separator: Separator, found: Case, calls: int, count: int, seed: int) -> Draws:
    """Counterfactuals of a case, in so many calls; a single one where nothing is drawn."""
    separator.sample_in(calls, count)
    rngs = generators([(seed, STREAM)], found.y.device)
    return separator.process.sample(separator.network, found.y, len(separator.config.targets), rngs)


def waveforms(separator: Separator, found: Case, counterfactual: State) -> Waveforms:
    """The targets that a counterfactual leaves."""
    samples = found.segment.mixture.shape[-1]
    return found.segment.mixture - separator.config.stft.inverse(counterfactual[0] * found.scale, samples)


def over_targets(score: Callable[[Samples, Samples], float], truth: Waveforms, estimates: Waveforms) -> float:
    """The mean over the targets of a score of waveforms."""
    pairs = zip(truth.numpy(), estimates.numpy(), strict=True)
    return float(np.mean([score(true.T, one.T) for true, one in pairs]))


def scores(separator: Separator, found: Case, drawn: Draws) -> Scores:
    """The scores of one draw, of the mean of all, and of all of them as a distribution."""
    mean = drawn.mean(0)
    truth, single = found.segment.targets, waveforms(separator, found, drawn[0])
    return Scores(
        sdr=over_targets(global_sdr, truth, single),
        sdr_of_mean=over_targets(global_sdr, truth, waveforms(separator, found, mean)),
        stft_distance=over_targets(stft_distance, truth, single),
        crps=crps(drawn, found.truth),
        mae=crps(mean[None], found.truth),
        spread=spread(drawn, found.truth),
    )
