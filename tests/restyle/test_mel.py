import librosa
import numpy as np
import pytest
import torch

from unsung.restyle.mel import FLOOR, Mel

MEL = Mel(sample_rate=16_000, n_fft=1024, hop_length=256, bands=128)


@pytest.mark.parametrize("sample_rate, n_fft, bands", [(16_000, 1024, 128), (22_050, 2048, 80), (44_100, 512, 16)])
def test_the_filters_are_librosas(sample_rate, n_fft, bands):
    mine = Mel(sample_rate, n_fft, 256, bands).filters.numpy()
    his = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bands, norm=None)
    np.testing.assert_allclose(mine, his, atol=1e-6)


def test_a_full_scale_sine_is_near_zero_and_silence_is_the_floor():
    seconds = torch.arange(16_000) / 16_000
    loudest = MEL.forward(torch.sin(2 * torch.pi * 3000 * seconds))[:, 10:50].max()
    assert 0 < loudest < 0.8  # the bins beside it are within the filter too
    assert torch.all(MEL.forward(torch.zeros(1600)) == np.log(np.float32(FLOOR)))


def test_spectrograms_have_a_frame_for_each_hop_and_any_batch():
    assert MEL.forward(torch.zeros(2, 3, 16_000)).shape == (2, 3, 128, 63)
    assert MEL.frames_per_second == 62.5
