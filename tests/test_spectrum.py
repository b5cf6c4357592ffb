import numpy as np
import pytest
import scipy.signal
import torch

from unsung import spectrum


@pytest.mark.parametrize("length", [4096, 5000, 301])
@pytest.mark.parametrize(("n_fft", "hop"), [(256, 64), (256, 128), (1024, 256)])
def test_the_round_trip_is_exact(length, n_fft, hop):
    wave = torch.randn(2, 3, length)
    stft = spectrum.Stft(n_fft, hop)
    found = stft.forward(wave)
    assert found.shape == (2, 3, n_fft // 2 + 1, length // hop + 1)
    if length >= n_fft:
        torch.testing.assert_close(stft.inverse(found, length), wave, atol=2e-6, rtol=0)


def test_it_is_the_transform_of_scipy():
    wave = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    expected = scipy.signal.stft(wave, nperseg=256, noverlap=192, window="hann", boundary="zeros", padded=False)[2] * 128
    found = spectrum.Stft(256, 64).forward(torch.from_numpy(wave)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_compression_keeps_the_phase():
    z = torch.randn(100, dtype=torch.complex64) * 10
    found = spectrum.compress(z, 0.5)
    torch.testing.assert_close(found.abs(), z.abs().sqrt(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.angle(), z.angle())


def test_compression_has_a_gradient_at_zero():
    z = torch.zeros(3, dtype=torch.complex64, requires_grad=True)
    spectrum.compress(z, 0.5).abs().square().sum().backward()
    assert z.grad is not None and torch.isfinite(torch.view_as_real(z.grad)).all()


def test_rms_is_that_of_each_item_and_never_zero():
    z = torch.randn(2, 1, 50, 50, dtype=torch.complex64)
    z[1] = 0
    found = spectrum.rms(z)
    torch.testing.assert_close(found[0], z[0].abs().square().mean().sqrt())
    assert found[1] > 0
