import numpy as np
import pytest

from tests.conftest import changed
from unsung.data import augment
from unsung.spectrum import Stft

RATE, STFT, SAMPLES = 22_050, Stft(1024, 256), 128 * 256


@pytest.fixture
def stem():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 35)).astype(np.float32)


@pytest.fixture
def settings(params):
    """Nothing happens unless it is asked for."""

    def make(**values):
        off = ("remix", "silent", "mixup", "gain", "swap", "polarity", "stretch", "pitch", "mask_frequency", "mask_time")
        return params.train.augment.model_copy(update={**dict.fromkeys(off, 0.0), **values})

    return make


def test_gain_is_in_decibels(stem, settings):
    always = settings(gain=1.0, gain_decibels=(-6.0, -6.0))
    quiet = augment.vary(stem, always, np.random.default_rng(0), np.random.default_rng(1))
    power = np.square(quiet).sum() / np.square(stem).sum()
    assert 10 * np.log10(power) == pytest.approx(-6, abs=1e-4)


@pytest.mark.parametrize(("name", "expected"), [("swap", lambda stem: stem[::-1]), ("polarity", lambda stem: -stem)])
def test_swap_and_polarity_undo_themselves(stem, settings, name, expected):
    def vary(stem):
        return augment.vary(stem, settings(**{name: 1.0}), np.random.default_rng(0), np.random.default_rng(1))

    np.testing.assert_array_equal(vary(stem), expected(stem))
    np.testing.assert_array_equal(vary(vary(stem)), stem)


def test_probabilities_of_zero_and_one_are_kept(stem, settings):
    never = settings(gain_decibels=(6.0, 6.0))
    always = settings(swap=1.0, polarity=1.0, gain=1.0, gain_decibels=(6.0, 6.0))
    for seed in range(5):
        rngs = [np.random.default_rng(seed) for _ in range(4)]
        np.testing.assert_array_equal(augment.vary(stem, never, *rngs[:2]), stem)
        found = augment.vary(stem, always, *rngs[2:])
        np.testing.assert_allclose(found, -stem[::-1] * np.float32(10 ** (6 / 20)), rtol=1e-6)
        assert rngs[0].random() == rngs[2].random() and rngs[1].random() == rngs[3].random()  # as many draws either way


def tone(frequency, samples):
    """A stereo tone, half as loud on the right; it ends at three quarters."""
    t = np.arange(samples) / RATE
    wave = np.sin(2 * np.pi * frequency * t) * (t < 0.75 * t[-1])
    return np.stack([wave, wave / 2]).astype(np.float32)


def pitch(found):
    """Hz."""
    power = np.abs(np.fft.rfft(found[0] * np.hanning(found.shape[1]), 2**18))
    return power.argmax() * RATE / 2**18


@pytest.mark.parametrize("rate", [0.9, 1.0, 1.07, 1.1])
@pytest.mark.parametrize("semitones", [-2.0, -0.5, 0.0, 2.0])
def test_pitch_and_speed_are_moved_by_what_was_asked(rate, semitones):
    long = augment.needed(SAMPLES, rate, STFT)
    found = augment.warp(tone(440.0, long), rate, semitones, SAMPLES, STFT)
    assert found.shape == (2, SAMPLES) and found.dtype == np.float32
    assert 12 * np.log2(pitch(found) / 440) == pytest.approx(semitones, abs=0.02)
    end = np.flatnonzero(np.abs(found[0]) > 0.5).max()
    assert end == pytest.approx(0.75 * long / rate - STFT.n_fft, abs=3 * STFT.hop_length)
    np.testing.assert_allclose(np.abs(found[1]).sum(), np.abs(found[0]).sum() / 2, rtol=0.02)


def test_warping_by_nothing_changes_nothing():
    source = tone(440.0, augment.needed(SAMPLES, 1.0, STFT))
    found = augment.warp(source, 1.0, 0.0, SAMPLES, STFT)
    np.testing.assert_allclose(found, source[:, STFT.n_fft : STFT.n_fft + SAMPLES], atol=1e-4)


def test_a_segment_needs_more_samples_only_where_it_may_be_warped(settings):
    assert augment.longest(SAMPLES, settings(), STFT) == SAMPLES
    assert augment.longest(SAMPLES, settings(pitch=0.1), STFT) == augment.needed(SAMPLES, 1.0, STFT) > SAMPLES
    assert augment.longest(SAMPLES, settings(stretch=0.1), STFT) == augment.needed(SAMPLES, 1.1, STFT)


def test_what_is_drawn_lies_in_the_ranges_and_happens_as_often_as_asked(settings):
    rng, mine = np.random.default_rng(0), settings(stretch=0.25, pitch=0.75)
    drawn = np.array([augment.draw_warp(mine, rng) for _ in range(1000)])
    assert drawn[:, 0].min() >= 0.9 and drawn[:, 0].max() <= 1.1 and np.abs(drawn[:, 1]).max() <= 2
    assert (drawn[:, 0] != 1).mean() == pytest.approx(0.25, abs=0.05)
    assert (drawn[:, 1] != 0).mean() == pytest.approx(0.75, abs=0.05)
    assert {augment.draw_warp(settings(), rng) for _ in range(50)} == {(1.0, 0.0)}


@pytest.mark.parametrize("name", ["mask_frequency", "mask_time"])
def test_a_mask_hides_the_same_of_all_stems_and_their_sum(name, settings):
    stems, widths = np.random.default_rng(0).standard_normal((3, 2, 600)).astype(np.float32), []

    def seen(signals):
        return np.fft.rfft(signals) if name == "mask_frequency" else signals

    for seed in range(50):
        found = stems.copy()
        augment.mask(found, settings(**{name: 1.0, f"{name}_share": 0.2}), np.random.default_rng(seed))
        hidden = np.abs(seen(found)) < 1e-4
        lines = hidden.all(axis=(0, 1))
        assert (np.diff(np.flatnonzero(lines)) == 1).all()
        np.testing.assert_allclose(seen(found)[..., ~lines], seen(stems)[..., ~lines], atol=1e-4)
        np.testing.assert_allclose(seen(found.sum(0)), np.where(lines, 0, seen(stems.sum(0))), atol=1e-4)
        widths.append(lines.sum())
    assert 0 < max(widths) <= 0.2 * len(lines) and len(set(widths)) > 3


def test_no_mask_without_asking(settings):
    stems = np.ones((3, 2, 60), np.float32)
    for seed in range(20):
        augment.mask(stems, settings(), np.random.default_rng(seed))
    assert (stems == 1).all()


@pytest.mark.parametrize("name", ["stretch", "pitch"])
def test_segments_too_long_to_be_warped_are_refused(params, name):
    roomy = {"segment_seconds": 2.0, "megabytes": 1.0}
    changed(params, shards=roomy, **{f"train__augment__{name}": 0.5})
    with pytest.raises(ValueError, match=r"shards.segment_seconds must be at least 0\.6\d"):
        changed(params, train__segment_seconds=0.5, shards={**roomy, "segment_seconds": 0.6}, **{f"train__augment__{name}": 0.5})
