"""A reference and an estimate for the scores that are formulas."""

import numpy as np
import pytest

RATE = 8000


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((5 * RATE + 123, 2)).astype(np.float32)
    return reference, reference + 0.3 * rng.standard_normal(reference.shape).astype(np.float32)
