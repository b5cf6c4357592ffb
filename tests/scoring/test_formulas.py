import auraloss
import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from unsung.scoring import formulas
from unsung.scoring.scorer import museval_metrics

RATE = 8000


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((5 * RATE + 123, 2)).astype(np.float32)
    return reference, reference + 0.3 * rng.standard_normal(reference.shape).astype(np.float32)


def test_framewise_sdr_is_musevals(pair):
    reference, estimate = pair
    expected = museval_metrics.bss_eval(
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


def test_global_sdr_has_the_challenges_constant(pair):
    reference, estimate = pair
    expected = 10 * np.log10(np.sum(reference.astype(float) ** 2) / np.sum((estimate.astype(float) - reference) ** 2))
    assert formulas.global_sdr(reference, estimate) == pytest.approx(expected, abs=1e-5)
    assert formulas.global_sdr(0 * reference, 0 * reference) == 0
    assert formulas.global_sdr(reference, 0 * reference) == pytest.approx(0)
    assert 100 < formulas.global_sdr(reference, reference) < 140


def test_si_sdr_is_that_of_torchmetrics_and_knows_no_volume(pair):
    reference, estimate = pair
    expected = scale_invariant_signal_distortion_ratio(torch.from_numpy(estimate.ravel()), torch.from_numpy(reference.ravel()))
    assert formulas.si_sdr(reference, estimate) == pytest.approx(float(expected), abs=1e-4)
    assert formulas.si_sdr(reference, 5 * estimate) == pytest.approx(formulas.si_sdr(reference, estimate), abs=1e-5)
    assert np.isnan(formulas.si_sdr(0 * reference, estimate)) and formulas.si_sdr(reference, 0 * reference) == -np.inf
    assert formulas.si_sdr(reference, reference) > 100


def test_the_stft_distance_is_that_of_auraloss(pair):
    reference, estimate = (np.pad(x, ((2048, 2048), (0, 0))) for x in pair)  # auraloss mirrors what is beyond the ends
    hops = [size // 4 for size in formulas.RESOLUTIONS]
    judge = auraloss.freq.MultiResolutionSTFTLoss(list(formulas.RESOLUTIONS), hops, list(formulas.RESOLUTIONS))
    expected = float(judge(*(torch.from_numpy(x.T.copy())[None] for x in (estimate, reference))))
    assert formulas.stft_distance(reference, estimate) == pytest.approx(expected, rel=1e-4)


def test_the_stft_distance_does_not_depend_on_the_pieces(pair, monkeypatch):
    expected = formulas.stft_distance(*pair)
    monkeypatch.setattr(formulas, "FRAMES", 7)
    assert formulas.stft_distance(*pair) == pytest.approx(expected, rel=1e-6)
    assert formulas.stft_distance(pair[0], pair[0]) == 0


def test_the_stft_distance_of_the_shortest_and_of_silence(pair):
    reference, estimate = pair
    assert formulas.stft_distance(reference[:5], estimate[:5]) > 0
    assert np.isnan(formulas.stft_distance(0 * reference, estimate))


def test_decibels():
    assert formulas.decibels(10, 1) == pytest.approx(10)
    assert formulas.decibels(1, 0) == np.inf and formulas.decibels(0, 1) == -np.inf
