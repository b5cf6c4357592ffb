import numpy as np
import pytest
from scipy.signal import lfilter

from tests.restyle.bands import MEL
from unsung.errors import UserError
from unsung.restyle.equaliser import fit_equaliser
from unsung.restyle.pairs import Examples, Pair, fitted


def noise(seed):
    return (0.1 * np.random.default_rng(seed).standard_normal(32_000)).astype(np.float32)


def filtered(waveform):
    return lfilter([1.0, -0.5], [1.0], waveform).astype(np.float32)


def test_it_learns_a_filter_and_applies_it_to_others():
    equaliser = fit_equaliser(
        Examples(*zip(*((noise(seed), filtered(noise(seed + 50))) for seed in range(10)), strict=True), False), MEL
    )
    x = noise(100)
    power = [np.abs(np.fft.rfft(y)) ** 2 for y in (equaliser(Pair("", x, x)), filtered(x))]
    mine, his = (10 * np.log10(p[: 16_000 // 100 * 100].reshape(100, -1).mean(axis=1)) for p in power)
    assert np.abs(mine - his).max() < 1


def test_gains_are_bounded_where_the_input_has_nothing():
    silence = np.zeros(32_000, np.float32)
    gains = fit_equaliser(Examples([silence], [noise(0)], True), MEL).gains
    assert gains.max() == 100
    assert fit_equaliser(Examples([silence], [silence], True), MEL).gains.eq(1).all()


def test_pairs_must_have_one_length_and_numbers():
    with pytest.raises(UserError, match=r"^a: the song has 3 and 2 samples in its two styles; cut both to one length$"):
        Pair("a", np.zeros(3, np.float32), np.zeros(2, np.float32))
    with pytest.raises(UserError, match=r"^a, target: a sample is not a finite number; write the file anew$"):
        Pair("a", np.zeros(1, np.float32), np.full(1, np.nan, np.float32))


def test_waveforms_are_cut_or_filled():
    x = np.arange(1, 4, dtype=np.float32)
    assert list(fitted(x, 2)) == [1, 2] and list(fitted(x, 5)) == [1, 2, 3, 0, 0]
