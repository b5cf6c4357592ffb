"""How much a figure over tracks could be another one if other tracks had been drawn.

Tracks are what is drawn at random; nothing here knows how much another seed of training would change.
"""

from collections.abc import Callable

import numpy as np
import scipy.stats
from jaxtyping import Float

DRAWS = 9999
CONFIDENCE = 0.95
Values = Float[np.ndarray, " _track"]


def interval(values: Values, statistic: Callable[..., np.ndarray] = np.median) -> tuple[float, float]:
    """The 95 % bootstrap interval of a statistic (percentiles; Efron and Tibshirani 1993), NaN for less than two values.

    Values without a score (NaN) are left out. The same values give the same interval.
    """
    there = values[np.isfinite(values)]
    if len(there) < 2:
        return float("nan"), float("nan")
    if np.ptp(there) == 0:
        return float(there[0]), float(there[0])
    found = scipy.stats.bootstrap(
        (there,), statistic, n_resamples=DRAWS, confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(0)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def sign_test(differences: Values) -> float:
    """The probability that as many differences or more have one sign if either sign is as likely; ties are left out."""
    rose, fell = int((differences > 0).sum()), int((differences < 0).sum())
    return float(scipy.stats.binomtest(rose, rose + fell).pvalue) if rose + fell else 1.0
