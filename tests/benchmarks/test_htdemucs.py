"""What is around the network: spectra, compared with torch's, and segments of songs."""

import numpy as np
import pytest
import torch
from peers import htdemucs
from peers.htdemucs import SEGMENT, STRIDE

SOURCES = 4


@pytest.fixture(scope="module")
def segment():
    return np.random.default_rng(0).standard_normal((2, SEGMENT)).astype(np.float32)


def theirs(signal):
    """As in Demucs (`_spec` of its class HTDemucs), by torch."""
    frames = -(-SEGMENT // 1024)
    pad = 1024 // 2 * 3
    x = torch.nn.functional.pad(torch.from_numpy(signal), (pad, pad + frames * 1024 - SEGMENT), mode="reflect")
    z = torch.stft(x, 4096, 1024, window=torch.hann_window(4096), normalized=True, center=True, return_complex=True)
    return z[:, :-1, 2 : 2 + frames].numpy()


def test_spectra_are_those_that_the_network_was_trained_on(segment):
    np.testing.assert_allclose(htdemucs.stft(segment), theirs(segment), atol=1e-4)


def test_back_from_spectra_comes_the_segment(segment):
    smooth = np.cumsum(segment, axis=1) / 1000  # has nothing in the highest bin, which is left out
    inner = slice(4096, -4096)  # at the ends, frames are missing that the network does not see
    assert np.abs(htdemucs.istft(htdemucs.stft(smooth)) - smooth)[:, inner].max() < 1e-4


def network(of_spectrum, of_waveform, seen=None):
    """Gives shares of both inputs as the vocals, and noise as the other sources."""
    rng = np.random.default_rng(1)

    def run(waveform, parts):
        assert waveform.shape == (1, 2, SEGMENT) and parts.shape == (1, 4, 2048, 336)
        assert waveform.dtype == parts.dtype == np.float32
        if seen is not None:
            seen.append(waveform[0].T)
        spectra = rng.standard_normal((1, SOURCES, 4, *parts.shape[2:]))
        waveforms = rng.standard_normal((1, SOURCES, *waveform.shape[1:]))
        spectra[:, 3], waveforms[:, 3] = of_spectrum * parts, of_waveform * waveform
        return spectra, waveforms

    return run


@pytest.mark.parametrize("length", [1000, SEGMENT, SEGMENT + 1, round(2.3 * SEGMENT)])
def test_segments_of_any_song_fit_together(length):
    mixture = np.cumsum(np.random.default_rng(2).standard_normal((length, 2)), axis=0).astype(np.float32) / 1000
    vocals = htdemucs.HTDemucs(network(0.0, 0.5))(mixture)
    assert vocals.dtype == np.float32
    np.testing.assert_allclose(vocals, mixture / 2, atol=1e-6)


def test_both_outputs_are_added():
    mixture = np.cumsum(np.random.default_rng(3).standard_normal((STRIDE, 2)), axis=0).astype(np.float32) / 1000
    vocals = htdemucs.HTDemucs(network(0.25, 0.5))(mixture)
    np.testing.assert_allclose(vocals[4096:-4096], 0.75 * mixture[4096:-4096], atol=1e-4)


def test_a_short_last_segment_sees_the_song_around_it():
    seen = []
    mixture = np.random.default_rng(4).standard_normal((STRIDE + 1001, 2)).astype(np.float32)
    htdemucs.HTDemucs(network(0.0, 1.0, seen))(mixture)
    before = (SEGMENT - 1001) // 2
    np.testing.assert_array_equal(seen[1][: before + 1001], mixture[STRIDE - before :])
    assert not seen[1][before + 1001 :].any()
