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
    truth = rng.standard_normal((5 * RATE + 123, 2)).astype(np.float32)
    return truth, truth + 0.3 * rng.standard_normal(truth.shape).astype(np.float32)


def test_framewise_sdr_is_musevals(pair):
    truth, found = pair
    expected = museval_metrics.bss_eval(truth[None].astype(float), found[None].astype(float), window=RATE, hop=RATE, filters_len=8)
    np.testing.assert_allclose(formulas.framewise_sdr(truth, found, RATE), expected[0][0], atol=1e-6)


def test_framewise_sdr_of_a_silent_reference_is_nothing_and_of_a_silent_estimate_zero(pair):
    truth, found = pair
    truth[:RATE], found[RATE : 2 * RATE] = 0, 0
    sdr = formulas.framewise_sdr(truth, found, RATE)
    assert np.isnan(sdr[0]) and sdr[1] == pytest.approx(0) and np.isfinite(sdr[2:]).all()


def test_a_signal_whose_channels_cancel_out_is_silent(pair):
    truth, _ = pair
    truth[RATE : 2 * RATE, 1] = -truth[RATE : 2 * RATE, 0]
    truth[3 * RATE : 4 * RATE] = 0
    assert formulas.silent(truth, RATE).tolist() == [False, True, False, True, False]
    assert formulas.silent(truth[RATE : 2 * RATE], 2 * RATE).tolist() == [True]  # shorter than a window


def test_global_sdr_has_the_challenges_constant(pair):
    truth, found = pair
    expected = 10 * np.log10(np.sum(truth.astype(float) ** 2) / np.sum((found.astype(float) - truth) ** 2))
    assert formulas.global_sdr(truth, found) == pytest.approx(expected, abs=1e-5)
    assert formulas.global_sdr(0 * truth, 0 * truth) == 0
    assert formulas.global_sdr(truth, 0 * truth) == pytest.approx(0)
    assert 100 < formulas.global_sdr(truth, truth) < 140


def test_si_sdr_is_that_of_torchmetrics_and_knows_no_volume(pair):
    truth, found = pair
    expected = scale_invariant_signal_distortion_ratio(torch.from_numpy(found.ravel()), torch.from_numpy(truth.ravel()))
    assert formulas.si_sdr(truth, found) == pytest.approx(float(expected), abs=1e-4)
    assert formulas.si_sdr(truth, 5 * found) == pytest.approx(formulas.si_sdr(truth, found), abs=1e-5)
    assert np.isnan(formulas.si_sdr(0 * truth, found)) and formulas.si_sdr(truth, 0 * truth) == -np.inf
    assert formulas.si_sdr(truth, truth) > 100


def test_the_stft_distance_is_that_of_auraloss(pair):
    truth, found = (np.pad(x, ((2048, 2048), (0, 0))) for x in pair)  # auraloss mirrors what is beyond the ends
    hops = [size // 4 for size in formulas.RESOLUTIONS]
    judge = auraloss.freq.MultiResolutionSTFTLoss(list(formulas.RESOLUTIONS), hops, list(formulas.RESOLUTIONS))
    expected = float(judge(*(torch.from_numpy(x.T.copy())[None] for x in (found, truth))))
    assert formulas.stft_distance(truth, found) == pytest.approx(expected, rel=1e-4)


def test_the_stft_distance_does_not_depend_on_the_pieces(pair, monkeypatch):
    expected = formulas.stft_distance(*pair)
    monkeypatch.setattr(formulas, "FRAMES", 7)
    assert formulas.stft_distance(*pair) == pytest.approx(expected, rel=1e-6)
    assert formulas.stft_distance(pair[0], pair[0]) == 0


def test_the_stft_distance_of_the_shortest_and_of_silence(pair):
    truth, found = pair
    assert formulas.stft_distance(truth[:5], found[:5]) > 0
    assert np.isnan(formulas.stft_distance(0 * truth, found))


def test_decibels():
    assert formulas.decibels(10, 1) == pytest.approx(10)
    assert formulas.decibels(1, 0) == np.inf and formulas.decibels(0, 1) == -np.inf
