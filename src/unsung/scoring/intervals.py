"""How much a figure over tracks could be another one if other tracks had been drawn.

Tracks are what is drawn at random; nothing here knows how much another seed of training would change.
"""

import numpy as np
import scipy.stats
from jaxtyping import Float

DRAWS = 9999
CONFIDENCE = 0.95
FEWEST = 5  # tracks; an interval of 95 % from less than these holds the true median less than 9 times in 10
NONE = (float("nan"), float("nan"))
Values = Float[np.ndarray, " _track"]


def of_median(values: Values) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median (percentiles; Efron and Tibshirani 1993), NaN for less than FEWEST values.

    Values without a score (NaN) are left out; an infinite one leaves no interval. The same values give the same interval.
    """
    there = values[~np.isnan(values)]
    if len(there) < FEWEST or np.isinf(there).any():
        return NONE
    if np.ptp(there) == 0:
        return float(there[0]), float(there[0])
    found = scipy.stats.bootstrap(
        (there,), np.median, n_resamples=DRAWS, confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(0)
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def of_mean(values: Values) -> tuple[float, float]:
    """Student's 95 % interval of the mean, NaN for less than two values."""
    if len(values) < 2:
        return NONE
    # of equal values scipy.stats.t.interval makes NaN, and ttest_1samp a warning
    half = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * scipy.stats.sem(values)
    return float(values.mean() - half), float(values.mean() + half)


def sign_test(differences: Values) -> float:
    """The probability that as many differences or more have one sign if either sign is as likely; ties are left out."""
    rose, fell = int((differences > 0).sum()), int((differences < 0).sum())
    return float(scipy.stats.binomtest(rose, rose + fell).pvalue) if rose + fell else 1.0
