"""How much a figure over tracks would vary with other tracks: bootstrap, Student's t, sign test.

Only the draw of the tracks counts. The intervals say nothing about other seeds of training.
"""

import numpy as np
from jaxtyping import Float

DRAWS = 9999
CONFIDENCE = 0.95
MIN_TRACKS = 5  # with fewer, a 95 % interval holds the true median less than 9 times in 10
NONE = (float("nan"), float("nan"))
Values = Float[np.ndarray, " _track"]


def of_median(values: Values) -> tuple[float, float]:
    """95 % interval of the median: percentile bootstrap (Efron and Tibshirani 1993), fixed seed.

    NaN values are left out. With fewer than MIN_TRACKS values or an infinite one it is NaN.
    """
    valid = values[~np.isnan(values)]
    if len(valid) < MIN_TRACKS or np.isinf(valid).any():
        return NONE
    if np.ptp(valid) == 0:
        return float(valid[0]), float(valid[0])
    from scipy.stats import bootstrap  # here: it takes half a second to import

    low, high = bootstrap(
        (valid,), np.median, n_resamples=DRAWS, confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(low), float(high)


def of_mean(values: Values) -> tuple[float, float]:
    """Student's 95 % interval of the mean; NaN with fewer than two values."""
    if len(values) < 2:
        return NONE
    from scipy.stats import sem, t

    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * sem(values)  # t.interval gives NaN for equal values
    return float(values.mean() - half), float(values.mean() + half)


def sign_test(differences: Values) -> float:
    """Two-sided p-value of the sign test; ties are left out."""
    rose, fell = int((differences > 0).sum()), int((differences < 0).sum())
    if not rose + fell:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(rose, rose + fell).pvalue)
