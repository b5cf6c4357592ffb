import numpy as np
import pytest
import scipy.stats

from unsung.scoring.intervals import of_mean, of_median, sign_test


def test_the_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).standard_normal(7)
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert of_mean(values) == pytest.approx((expected.low, expected.high))
    assert np.isnan(of_mean(values[:1])).all()
    assert of_mean(np.full(6, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize("tracks", [6, 40])
def test_the_intervals_have_the_true_value_19_times_in_20(tracks):
    rng = np.random.default_rng(1)
    draws = [rng.standard_normal(tracks) for _ in range(200)]
    for interval in (of_median, of_mean):
        inside = [low < 0 < high for low, high in map(interval, draws)]
        assert 0.88 < np.mean(inside) < 0.995


def test_the_same_values_have_the_same_interval_and_missing_ones_do_not_count():
    values = np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    assert of_median(values) == of_median(np.append(values, np.nan))
    assert of_median(np.full(5, 2.0)) == (2.0, 2.0)
    for none in (values[:4], np.array([]), np.append(values, np.inf)):
        assert np.isnan(of_median(none)).all()


def test_the_sign_test_is_that_of_coins():
    assert sign_test(np.array([1.0] * 6)) == pytest.approx(2 / 2**6)
    assert sign_test(np.array([1.0, -1.0, 0.0])) == 1.0
    assert sign_test(np.zeros(3)) == 1.0
