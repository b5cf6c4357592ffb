import numpy as np
import pytest
import torch

from unsung.scoring.generation import Spread, crps, spread

RNG = np.random.default_rng(0)


def normal(*shape):
    return torch.from_numpy(RNG.standard_normal(shape))


def test_one_draw_has_its_mean_absolute_error():
    truth, draw = normal(5, 7), normal(1, 5, 7)
    assert crps(draw, truth) == pytest.approx(float((draw[0] - truth).abs().mean()))
    assert spread(draw, truth) == Spread(0.0, pytest.approx(float((draw[0] - truth).square().mean())), 1)


def test_the_score_of_a_normal_distribution_is_its_formula():
    """Gneiting and Raftery 2007, eq. 21, at truths that are drawn from it: 1/sqrt(pi)."""
    truth = normal(200_000)
    assert crps(normal(4, 200_000), truth) == pytest.approx(np.pi**-0.5, rel=0.01)
    assert crps(normal(2, 200_000), truth) == pytest.approx(np.pi**-0.5, rel=0.01)


def test_it_is_the_definition():
    draws, truth = torch.complex(normal(5, 30), normal(5, 30)), torch.complex(normal(30), normal(30))
    near = np.mean([[abs(f - a) for f, a in zip(draw.numpy(), truth.numpy(), strict=True)] for draw in draws])
    apart = np.mean([np.abs(draws[i] - draws[j]).mean() for i in range(5) for j in range(5) if i != j])
    assert crps(draws, truth) == pytest.approx(near - apart / 2)


def test_the_true_distribution_wins_and_its_ratio_is_one():
    truth, draws = normal(100_000), normal(8, 100_000)
    for factor in (0.3, 2.0):
        assert crps(draws, truth) < crps(factor * draws, truth)
    assert spread(draws, truth).ratio == pytest.approx(1, rel=0.02)
    assert spread(0.3 * draws, truth).ratio < 0.2 and spread(2 * draws, truth).ratio > 2


def test_parts_add_up():
    truth, draws = normal(2, 50), normal(3, 2, 50)
    parts = [spread(draws[:, i], truth[i]) for i in range(2)]
    assert (parts[0] + parts[1]).ratio == pytest.approx(spread(draws, truth).ratio)
    assert np.isnan(spread(torch.zeros(2, 4), torch.zeros(4)).ratio)
