import numpy as np
import pytest
import torch

from tests.restyle.bands import MEL, song
from unsung.restyle.baselines import INPUT, TRUTH, baselines, fit_mean_frame, fit_nearest, fit_regression, log_mel
from unsung.restyle.mel import Mel
from unsung.restyle.pairs import Examples, Pair, Song


class Listener:
    """A vocoder that keeps what it is given."""

    def __call__(self, log_mels):
        self.given = log_mels
        return torch.ones((log_mels.shape[-1] - 1) * MEL.hop_length)


@pytest.fixture(scope="module")
def train():
    return Examples.of([song(seed)[0] for seed in (1, 2, 3)])


def test_every_baseline_gives_a_waveform_as_long_as_the_song(train):
    asked = Pair("5", *(x[:39_990] for x in (song(5)[0].input, song(5)[0].truth)))
    for name, system in baselines(train, MEL, Listener()).items():
        estimate = system(asked)
        assert estimate.shape == (39_990,) and estimate.dtype == np.float32, name
        assert np.array_equal(estimate, asked.input) == (name == INPUT) and np.array_equal(estimate, asked.truth) == (name == TRUTH)


def test_only_the_yardsticks_look_at_the_truth(train):
    asked, blind = (Pair("5", song(5)[0].input, truth) for truth in (song(5)[0].truth, np.zeros_like(song(5)[0].truth)))
    told = []
    for name, system in baselines(train, MEL, vocoder := Listener()).items():
        vocoder.given = torch.zeros(1)
        (one, mels), (other, others) = ((system(pair), vocoder.given) for pair in (asked, blind))
        if not (np.array_equal(one, other) and torch.equal(mels, others)):
            told.append(name)
    assert told == ["mels of the truth", TRUTH]


def test_the_nearest_song_of_a_training_input_is_itself_however_loud(train):
    nearest = fit_nearest(train, MEL.sample_rate)
    for mine, target in zip(train.inputs, train.targets, strict=True):
        assert np.array_equal(nearest(Song("", 0.5 * mine)), target)


def test_the_mean_frame_is_held(train):
    system = fit_mean_frame(train, MEL, vocoder := Listener())
    system(Song("", train.inputs[0]))
    expected = np.mean([log_mel(target, MEL).numpy() for target in train.targets], axis=(0, 2))
    assert vocoder.given.shape == (128, len(train.inputs[0]) // 256 + 1)
    np.testing.assert_allclose(vocoder.given.numpy(), expected[:, None].repeat(vocoder.given.shape[1], 1), atol=1e-4)


def test_the_regression_learns_what_is_linear_in_log_mels(train):
    """Every target is its input, 6 dB softer and two frames late."""
    few = Mel(MEL.sample_rate, MEL.n_fft, MEL.hop_length, bands=12)
    late = [(x[512:], 0.5 * x[:-512]) for x in train.inputs]
    fit_regression(Examples(*zip(*late[:2], strict=True), True), few, vocoder := Listener())(Song("", late[2][0]))
    start, truth = (log_mel(waveform, few) for waveform in late[2])
    assert (vocoder.given - truth)[:, 8:-8].abs().mean() < 0.35 * (start - truth).abs().mean()
