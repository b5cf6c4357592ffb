import pytest
import torch

from unsung.config.schema import Loss
from unsung.models import losses
from unsung.scoring.generation import crps
from unsung.spectrum import Stft

TERMS = {
    "spectrum",
    "spectrum_mse",
    "waveform",
    "waveform_mse",
    "compressed",
    "patches",
    "magnitude",
    "magnitude_mse",
    "multi_resolution",
}
BENT = {"compressed", "patches", "magnitude", "magnitude_mse", "multi_resolution"}
TARGETS = ("vocals", "drums")
STFT = Stft(256, 64)


@pytest.fixture
def case():
    """Estimates and references of two targets' counterfactuals, and the mixture."""
    torch.manual_seed(0)
    wave = torch.randn(3, 2, 1, 4096)
    reference, estimate = (STFT.forward(w) for w in (wave, wave + 0.1 * torch.randn_like(wave)))
    return estimate, reference, reference[:, 0] + reference[:, 1]


def settings(**values):
    return Loss(**{**dict.fromkeys(TERMS, 0.0), "stem_weight": 1.0, "target_weights": {}, **values})


def terms(case, **values):
    estimate, reference, mixture = case
    return losses.Criterion(settings(**values), TARGETS, STFT).terms(estimate, reference, mixture)


def test_every_setting_is_a_term_and_the_other_way_round(case):
    estimate = terms(case, **dict.fromkeys(TERMS, 1.0))
    assert set(estimate) == TERMS | {f"{name}_stem" for name in BENT} | {"loss"}
    assert set(Loss.model_fields) == TERMS | {"stem_weight", "target_weights"}


def test_a_perfect_estimate_costs_nothing(case):
    _, reference, mixture = case
    assert terms((reference, reference, mixture), **dict.fromkeys(TERMS, 1.0))["loss"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", sorted(TERMS))
def test_weights_are_weights_and_a_zero_leaves_the_term_out(case, name):
    one, two = terms(case, **{name: 1.0}), terms(case, **{name: 2.0}, stem_weight=3.0)
    assert set(one) == {name, "loss"} | ({f"{name}_stem"} if name in BENT else set())
    torch.testing.assert_close(two[name], 2 * one[name])
    if name in BENT:
        torch.testing.assert_close(two[f"{name}_stem"], 6 * one[f"{name}_stem"])
    torch.testing.assert_close(two["loss"], sum(value for key, value in two.items() if key != "loss"))


@pytest.mark.parametrize("name", sorted(TERMS))
def test_a_targets_weight_is_of_its_share_only(case, name):
    estimate, reference, mixture = case
    first_wrong = torch.stack([estimate[:, 0], reference[:, 1]], dim=1), reference, mixture
    plain = terms(first_wrong, **{name: 1.0})[name]
    assert plain > 0
    torch.testing.assert_close(terms(first_wrong, **{name: 1.0}, target_weights={"vocals": 2.0})[name], 2 * plain)
    torch.testing.assert_close(terms(first_wrong, **{name: 1.0}, target_weights={"drums": 2.0})[name], plain, atol=1e-6, rtol=1e-4)


def test_the_terms_are_what_they_are_called(case):
    estimate, reference, _ = case
    size = (0.375 * 256) ** 0.5
    a, b = (STFT.inverse(z) for z in (estimate, reference))
    flat = torch.view_as_real(estimate - reference)
    expected = {
        "spectrum": flat.abs().mean(),
        "spectrum_mse": flat.square().mean(),
        "waveform": size * (a - b).abs().mean(),
        "waveform_mse": size**2 * (a - b).square().mean(),
        "magnitude": (estimate.abs() - reference.abs()).abs().mean(),
        "magnitude_mse": (estimate.abs() - reference.abs()).square().mean(),
    }
    measured = terms(case, **dict.fromkeys(expected, 1.0))
    for name, value in expected.items():
        torch.testing.assert_close(measured[name], value, rtol=1e-4, atol=1e-6)


def test_the_multi_resolution_term_is_convergence_and_log_magnitude(case):
    estimate, reference, _ = case
    a, b = (STFT.inverse(z) for z in (estimate[:, :1], reference[:, :1]))
    parts = []
    for size in losses.RESOLUTIONS:
        window = torch.hann_window(size)
        x, y = (torch.stft(z.flatten(0, 2), size, size // 4, window=window, return_complex=True).abs() for z in (a, b))
        x, y = x.clamp_min(1e-4), y.clamp_min(1e-4)
        parts.append((y - x).norm() / y.norm() + (x.log() - y.log()).abs().mean())
    assert losses.multi_resolution(a, b) == pytest.approx(float(sum(parts) / len(parts)), rel=0.03)


def test_a_linear_term_is_the_same_for_stems_and_counterfactuals_and_a_bent_one_is_not(case):
    estimate, reference, mixture = case
    y = mixture.unsqueeze(1)
    stems = y - estimate, y - reference, mixture
    for name in TERMS:
        here, there = terms(case, **{name: 1.0})[name], terms(stems, **{name: 1.0})[name]
        assert torch.isclose(here, there, rtol=1e-4) == (name not in BENT), name


def test_the_loss_of_a_prediction_is_its_mean_squared_error():
    out, goal = torch.randn(2, 2, 1, 1, 3, 4, dtype=torch.complex64)
    expected = (torch.view_as_real(out) - torch.view_as_real(goal)).square().mean()
    assert losses.prediction(out, goal)["loss"] == pytest.approx(float(expected))


def test_a_patch_costs_its_root_mean_square(case):
    estimate, reference, _ = case
    error = torch.zeros_like(estimate[..., :16, :16])
    error[..., 8:, 8:] = 3 + 4j
    assert losses.patches(error).unique().tolist() == pytest.approx([0, 12.5**0.5], abs=1e-3)
    same = estimate + 0 * reference
    same.requires_grad_()
    losses.patches(same - same.detach()).sum().backward()
    assert same.grad.isfinite().all()


def test_two_draws_cost_their_fair_crps(case):
    estimate, reference, mixture = case
    other = reference + 0.3 * torch.randn_like(reference)
    criterion = losses.Criterion(settings(spectrum=1.0, waveform=1.0, patches=1.0), TARGETS, STFT)
    found = criterion.of_draws([estimate, other], reference, mixture)
    expected = crps(torch.view_as_real(torch.stack([estimate, other])), torch.view_as_real(reference))
    assert float(found["spectrum"]) == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(found["loss"], sum(value for name, value in found.items() if name != "loss"))
    alone = criterion.of_draws([estimate], reference, mixture)
    assert alone == criterion.terms(estimate, reference, mixture)


def test_draws_are_best_that_vary_as_the_truth_does():
    """The expected loss over truths of spread 1 is least for draws of spread 1, not of 0 or 2."""
    torch.manual_seed(0)
    size = (400, 2, 1, 17, 16)
    truth, one, two = (torch.randn(size, dtype=torch.complex64) for _ in range(3))
    criterion = losses.Criterion(settings(spectrum=1.0, patches=1.0), TARGETS, STFT)
    costs = [float(criterion.of_draws([s * one, s * two], truth, truth[:, 0])["loss"]) for s in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert costs.index(min(costs)) == 2
