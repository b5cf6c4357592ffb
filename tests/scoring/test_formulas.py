import numpy as np
import pytest

from tests.scoring.conftest import RATE
from unsung.scoring import formulas
from unsung.scoring.scorer import museval_metrics


def test_framewise_sdr_is_musevals(pair):
    reference, estimate = pair
    expected = museval_metrics().bss_eval(
        reference[None].astype(float), estimate[None].astype(float), window=RATE, hop=RATE, filters_len=8
    )
    np.testing.assert_allclose(formulas.framewise_sdr(reference, estimate, RATE), expected[0][0], atol=1e-6)


def test_framewise_sdr_of_a_silent_reference_is_nothing_and_of_a_silent_estimate_zero(pair):
    reference, estimate = pair
    reference[:RATE], estimate[RATE : 2 * RATE] = 0, 0
    sdr = formulas.framewise_sdr(reference, estimate, RATE)
    assert np.isnan(sdr[0]) and sdr[1] == pytest.approx(0) and np.isfinite(sdr[2:]).all()


def test_a_signal_whose_channels_cancel_out_is_silent(pair):
    reference, _ = pair
    reference[RATE : 2 * RATE, 1] = -reference[RATE : 2 * RATE, 0]
    reference[3 * RATE : 4 * RATE] = 0
    assert formulas.silent(reference, RATE).tolist() == [False, True, False, True, False]
    assert formulas.silent(reference[RATE : 2 * RATE], 2 * RATE).tolist() == [True]  # shorter than a window


def test_decibels():
    assert formulas.decibels(10, 1) == pytest.approx(10)
    assert formulas.decibels(1, 0) == np.inf and formulas.decibels(0, 1) == -np.inf
