import numpy as np
import pytest

from unsung.data import augment
from unsung.params import Remix


@pytest.fixture
def stem():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((2, 5, 7)) + 1j * rng.standard_normal((2, 5, 7))).astype(np.complex64)


def test_gain_is_in_decibels(stem):
    power = np.square(np.abs(augment.gain(stem, -6.0))).sum() / np.square(np.abs(stem)).sum()
    assert 10 * np.log10(power) == pytest.approx(-6, abs=1e-4)


def test_swap_and_polarity_undo_themselves(stem):
    np.testing.assert_array_equal(augment.swap(augment.swap(stem)), stem)
    np.testing.assert_array_equal(augment.polarity(augment.polarity(stem)), stem)
    np.testing.assert_array_equal(augment.swap(stem)[0], stem[1])


def test_probabilities_of_zero_and_one_are_kept(stem):
    never = Remix(coherent=0, silent=0, gain=(0.0, 0.0), swap=0, polarity=0)
    always = never.model_copy(update={"swap": 1.0, "polarity": 1.0, "gain": (6.0, 6.0)})
    for seed in range(5):
        np.testing.assert_array_equal(augment.vary(stem, never, np.random.default_rng(seed)), stem)
        found = augment.vary(stem, always, np.random.default_rng(seed))
        np.testing.assert_allclose(found, -stem[::-1] * np.float32(10 ** (6 / 20)), rtol=1e-6)
