"""One song in two styles, and what makes the second out of the first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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
