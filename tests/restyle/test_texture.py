import librosa
import numpy as np
import pytest
import torch

from unsung.restyle import texture
from unsung.restyle.mel import Mel

MEL = Mel(16_000, 1024, 256, 128)


def lively(seed=0, batch=3):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((batch, 128, 300)).astype(np.float32)) - 6


def test_the_truth_has_no_loss_and_a_blur_has():
    truth = lively()
    assert [float(term) for term in texture.losses(truth, truth, MEL)] == [0, 0]
    blurred = torch.nn.functional.avg_pool1d(truth, 9, 1, 4)
    spread, moments = texture.losses(blurred, truth, MEL)
    assert spread > 0.3 and moments > 1


def test_other_songs_of_the_style_have_other_windows_and_the_same_moments():
    spread, moments = texture.losses(lively(1, 40), lively(2, 40), MEL)
    assert spread > 0.02 and moments < 0.15


def test_a_filter_and_loudness_are_no_texture():
    truth = lively()
    filtered = truth + torch.linspace(-2, 2, 128)[:, None] + 1
    assert max(float(term) for term in texture.losses(filtered, truth, MEL)) < 1e-4


def test_cepstra_are_librosas():
    log_mel = lively(0, 1)[0]
    mine = texture.deviations(log_mel[None], MEL)[1][0, :, 0]
    his = librosa.feature.mfcc(S=log_mel[:, :47].numpy(), n_mfcc=21)[1:].mean(axis=1)
    np.testing.assert_allclose(mine.numpy(), his, atol=1e-4)


@pytest.mark.parametrize("frames", [2, 10, 46])
def test_a_segment_shorter_than_a_window_is_one_window(frames):
    found = texture.losses(lively()[..., :frames], lively(1)[..., :frames], MEL)
    assert all(torch.isfinite(term) for term in found)
