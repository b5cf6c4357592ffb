import auraloss
import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from unsung.scoring import whole


def test_global_sdr_has_the_challenges_constant(pair):
    reference, estimate = pair
    expected = 10 * np.log10(np.sum(reference.astype(float) ** 2) / np.sum((estimate.astype(float) - reference) ** 2))
    assert whole.global_sdr(reference, estimate) == pytest.approx(expected, abs=1e-5)
    assert whole.global_sdr(0 * reference, 0 * reference) == 0
    assert whole.global_sdr(reference, 0 * reference) == pytest.approx(0)
    assert 100 < whole.global_sdr(reference, reference) < 140


def test_si_sdr_is_that_of_torchmetrics_and_knows_no_volume(pair):
    reference, estimate = pair
    expected = scale_invariant_signal_distortion_ratio(torch.from_numpy(estimate.ravel()), torch.from_numpy(reference.ravel()))
    assert whole.si_sdr(reference, estimate) == pytest.approx(float(expected), abs=1e-4)
    assert whole.si_sdr(reference, 5 * estimate) == pytest.approx(whole.si_sdr(reference, estimate), abs=1e-5)
    assert np.isnan(whole.si_sdr(0 * reference, estimate)) and whole.si_sdr(reference, 0 * reference) == -np.inf
    assert whole.si_sdr(reference, reference) > 100


def test_the_stft_distance_is_that_of_auraloss(pair):
    reference, estimate = (np.pad(x, ((2048, 2048), (0, 0))) for x in pair)  # auraloss mirrors what is beyond the ends
    hops = [size // 4 for size in whole.RESOLUTIONS]
    judge = auraloss.freq.MultiResolutionSTFTLoss(list(whole.RESOLUTIONS), hops, list(whole.RESOLUTIONS))
    expected = float(judge(*(torch.from_numpy(x.T.copy())[None] for x in (estimate, reference))))
    assert whole.stft_distance(reference, estimate) == pytest.approx(expected, rel=1e-4)


def test_the_stft_distance_does_not_depend_on_the_pieces(pair, monkeypatch):
    expected = whole.stft_distance(*pair)
    monkeypatch.setattr(whole, "BLOCK", 7 * 512)
    assert whole.stft_distance(*pair) == pytest.approx(expected, rel=1e-6)
    assert whole.stft_distance(pair[0], pair[0]) == 0


def test_the_stft_distance_of_the_shortest_and_of_silence(pair):
    reference, estimate = pair
    assert whole.stft_distance(reference[:5], estimate[:5]) > 0
    assert np.isnan(whole.stft_distance(0 * reference, estimate))
