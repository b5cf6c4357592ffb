import numpy as np
import pytest

from unsung.reporting.intervals import interval, sign_test


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(0).standard_normal(400)
    low, high = interval(values, np.mean)
    assert (low, high) == pytest.approx((values.mean() - 1.96 / 20, values.mean() + 1.96 / 20), abs=0.02)


def test_the_interval_of_a_median_has_the_true_one_19_times_in_20():
    rng = np.random.default_rng(1)
    inside = [low < 0 < high for low, high in (interval(rng.standard_normal(40)) for _ in range(200))]
    assert 0.88 < np.mean(inside) < 0.99


def test_the_same_values_have_the_same_interval_and_missing_ones_do_not_count():
    values = np.array([1.0, 2.0, 4.0, 3.0])
    assert interval(values) == interval(np.append(values, [np.nan, np.inf]))
    assert interval(np.array([2.0, 2.0])) == (2.0, 2.0)
    assert np.isnan(interval(np.array([1.0]))).all() and np.isnan(interval(np.array([]))).all()


def test_the_sign_test_is_that_of_coins():
    assert sign_test(np.array([1.0] * 6)) == pytest.approx(2 / 2**6)
    assert sign_test(np.array([1.0, -1.0, 0.0])) == 1.0
    assert sign_test(np.zeros(3)) == 1.0
