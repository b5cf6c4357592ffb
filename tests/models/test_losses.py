import pytest
import torch

from unsung import spectrum
from unsung.models import losses
from unsung.params import Loss


@pytest.fixture
def case():
    torch.manual_seed(0)
    wave = torch.randn(3, 2, 1, 4096)
    truth, found = (spectrum.transform(w, 256, 64) for w in (wave, wave + 0.1 * torch.randn_like(wave)))
    return found, truth, truth[:, 0] + truth[:, 1]


def test_a_perfect_estimate_costs_nothing(case):
    _, truth, mixture = case
    settings = Loss(spectrum=1, waveform=1, compressed=1, stem_weight=1)
    assert losses.terms(truth, truth, mixture, settings, 256, 64)["loss"] == 0


def test_weights_are_weights_and_a_zero_leaves_the_term_out(case):
    found, truth, mixture = case
    one = losses.terms(found, truth, mixture, Loss(spectrum=1, waveform=1, compressed=1, stem_weight=1), 256, 64)
    two = losses.terms(found, truth, mixture, Loss(spectrum=2, waveform=0, compressed=1, stem_weight=3), 256, 64)
    assert "waveform" not in two
    torch.testing.assert_close(two["spectrum"], 2 * one["spectrum"])
    torch.testing.assert_close(two["compressed_stem"], 3 * one["compressed_stem"])
    torch.testing.assert_close(two["loss"], sum(value for name, value in two.items() if name != "loss"))


def test_the_waveform_term_is_the_distance_of_the_waveforms(case):
    found, truth, _ = case
    length = (truth.shape[-1] - 1) * 64
    a, b = (spectrum.inverse(z, 256, 64, length) for z in (found, truth))
    expected = (a - b).abs().mean() * (0.375 * 256) ** 0.5
    torch.testing.assert_close(losses.waveform_l1(found, truth, 256, 64), expected, rtol=1e-4, atol=1e-6)


def test_a_linear_term_is_the_same_for_stems_and_counterfactuals(case):
    found, truth, mixture = case
    y = mixture.unsqueeze(1)
    torch.testing.assert_close(losses.complex_l1(found, truth), losses.complex_l1(y - found, y - truth))
