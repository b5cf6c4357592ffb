"""Scores of what is drawn: how near it is, and whether draws vary as much as they err.

A draw and the truth are complex spectra, or any tensors; `draw` comes first in the shape of draws.
"""

from typing import NamedTuple

from jaxtyping import Complex, Float
from torch import Tensor

Values = Complex[Tensor, "*shape"] | Float[Tensor, "*shape"]
Drawn = Complex[Tensor, "draw *shape"] | Float[Tensor, "draw *shape"]


def crps(draws: Drawn, truth: Values) -> float:
    """The continuous ranked probability score, mean over all values: the less the better.

    Of complex values it is the energy score with the modulus. It is the fair estimate (Ferro 2014,
    doi 10.1002/qj.2270), whose mean does not depend on how many draws there are. Of a single draw
    it is the mean absolute error, as of a model that is sure of itself.
    """
    count = len(draws)
    error = (draws - truth).abs().mean()
    if count == 1:
        return float(error)
    between = sum((draws[one] - draws[other]).abs().mean() for one in range(count) for other in range(one))
    return float(error - between / (count * (count - 1)))


class Spread(NamedTuple):
    """Mean powers: `ratio` is 1 where the truth might be one of the draws."""

    variance: float  # between the draws
    error: float  # of their mean
    draws: int

    @property
    def ratio(self) -> float:
        """Spread over skill, for few draws (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1)."""
        return self.variance * (1 + 1 / self.draws) / self.error if self.error else float("nan")

    def __add__(self, other: object) -> "Spread":
        """The same of all values of both."""
        assert isinstance(other, Spread) and self.draws == other.draws
        return Spread(self.variance + other.variance, self.error + other.error, self.draws)


def spread(draws: Drawn, truth: Values) -> Spread:
    """Variance between draws and squared error of their mean; 0 and the error of a single draw."""
    mean = draws.mean(0)
    error = float((mean - truth).abs().square().mean())
    variance = float((draws - mean).abs().square().sum(0).mean()) / (len(draws) - 1) if len(draws) > 1 else 0.0
    return Spread(variance, error, len(draws))
