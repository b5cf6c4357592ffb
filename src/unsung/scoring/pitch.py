"""Whether an estimate sings the same notes: raw pitch accuracy, by the tracker SwiftF0."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import soxr
from jaxtyping import Bool, Float

from unsung.audio import Samples

SINGS = "vocals"  # the stem that has one pitch at a time
RATE = 16_000  # Hz, the tracker's
VOICED = 0.5  # confidence of a frame in which there is a pitch
CENTS = 50  # farther off is another note


class Pitch(NamedTuple):
    """Frames of 16 ms."""

    hertz: Float[np.ndarray, " frame"]
    voiced: Bool[np.ndarray, " frame"]


def pitch_of(samples: Samples, sample_rate: int) -> Pitch:
    """The pitch of a voice (frame, channel), by SwiftF0 (Nieradzik 2025, arXiv 2508.18440)."""
    found = _tracker().detect(soxr.resample(samples.mean(1), sample_rate, RATE), RATE)
    return Pitch(found.pitch_hz, found.confidence >= VOICED)


def raw_pitch_accuracy(reference: Pitch, estimate: Pitch) -> float:
    """The share of the reference's voiced frames in which the estimate has its pitch, to 50 cents.

    Whether the estimate is voiced there does not matter (Poliner et al. 2007,
    doi:10.1109/TASL.2006.889797). NaN if the reference is nowhere voiced.
    """
    if not reference.voiced.any():
        return float("nan")
    cents = 1200 * np.abs(np.log2(estimate.hertz[reference.voiced] / reference.hertz[reference.voiced]))
    return float((cents <= CENTS).mean())


@cache
def _tracker() -> Any:
    from swift_f0 import SwiftF0  # here: only the pipeline has it

    return SwiftF0(threads=1)
