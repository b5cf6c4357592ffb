"""Linear regression with a penalty, fitted piece by piece."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Rows = Float[np.ndarray, "_row _column"]  # no size is the same in two pieces


@dataclass(frozen=True)
class Ridge:
    """y = x @ weights + offset (Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634)."""

    weights: Float[np.ndarray, "input output"]
    offset: Float[np.ndarray, " output"]

    def __call__(self, x: Rows) -> Rows:
        """One row of outputs for each row of inputs."""
        return x @ self.weights + self.offset


def fit_ridge(pieces: Iterable[tuple[Rows, Rows]], penalty: float) -> Ridge:
    """Least squares over all pieces of (x, y); `penalty` times the mean variance of x is added.

    The offset has no penalty. Only sums of products are kept, so memory does not grow.
    """
    products, answers = np.zeros((1, 1)), np.zeros((1, 1))
    for x, y in pieces:
        wide = np.hstack([x.astype(np.float64), np.ones((len(x), 1))])
        products, answers = products + wide.T @ wide, answers + wide.T @ y.astype(np.float64)
    rows, sums = products[-1, -1], products[-1, :-1]
    covariance = products[:-1, :-1] - np.outer(sums, sums) / rows
    covariance[np.diag_indices_from(covariance)] += penalty * max(np.trace(covariance) / len(covariance), 1e-12)
    weights = np.linalg.solve(covariance, answers[:-1] - np.outer(sums, answers[-1]) / rows)
    return Ridge(weights, (answers[-1] - sums @ weights) / rows)
