"""The networks against convolutions written out as TensorFlow defines them; the mask; the sums."""

import numpy as np
import pytest
import soxr
import torch
from peers import spleeter

from unsung.data.synth import band, mixing
from unsung.scoring import whole

RATE = 44_100


def same_padding(size, kernel, stride, dilation=1):
    """TensorFlow's: as many outputs as strides fit; the odd one is added at the end."""
    reach = (kernel - 1) * dilation + 1
    return max(0, (-(-size // stride) - 1) * stride + reach - size) // 2


def conv(x, kernel, bias, stride, dilation=1):
    """(height, width, channel); out[i] = sum_k kernel[k] x[i stride + k dilation - padding]."""
    height, width = (size // stride for size in x.shape[:2])
    pads = [same_padding(size, len(kernel), stride, dilation) for size in x.shape[:2]]
    reach = len(kernel) * dilation
    padded = np.pad(x, [(pads[0], reach), (pads[1], reach), (0, 0)])
    out = np.zeros((height, width, kernel.shape[3])) + bias
    for a in range(len(kernel)):
        for b in range(len(kernel)):
            rows, columns = (slice(k * dilation, k * dilation + n * stride, stride) for k, n in ((a, height), (b, width)))
            out += padded[rows, columns] @ kernel[a, b]
    return out


def conv_transpose(x, kernel, bias):
    """The gradient of `conv` with stride 2: an input is added to all outputs that it belongs to."""
    height, width = (2 * size for size in x.shape[:2])
    pad = same_padding(height, len(kernel), 2)
    out = np.zeros((height + 8, width + 8, kernel.shape[2]))
    for a in range(len(kernel)):
        for b in range(len(kernel)):
            out[a : a + height : 2, b : b + width : 2] += x @ kernel[a, b].T
    return out[pad : pad + height, pad : pad + width] + bias


def unet(weights, x, source):
    """Spleeter's U-Net, layer by layer."""

    def of(kind, number, name):
        return weights[f"{kind}_{number}/{name}" if number else f"{kind}/{name}"].astype(float)

    def normalised(y, number):
        mean, variance, gamma, beta = (
            of("batch_normalization", number, name) for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    across, y = [], x
    for i in range(6):
        across.append(conv(y, of("conv2d", 7 * source + i, "kernel"), of("conv2d", 7 * source + i, "bias"), 2))
        y = normalised(across[-1], 12 * source + i)
        y = np.where(y > 0, y, 0.2 * y)
    y = across[5]
    for i in range(6):
        kernel, bias = (of("conv2d_transpose", 6 * source + i, name) for name in ("kernel", "bias"))
        y = normalised(np.maximum(conv_transpose(y, kernel, bias), 0), 12 * source + 6 + i)
        if i < 5:
            y = np.concatenate([across[4 - i], y], axis=2)
    logits = conv(y, of("conv2d", 7 * source + 6, "kernel"), of("conv2d", 7 * source + 6, "bias"), 1, dilation=2)
    return x / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def weights():
    """Random weights under the names of the checkpoint."""
    rng, found = np.random.default_rng(0), {}
    down = [2, 16, 32, 64, 128, 256, 512]
    for source in range(2):
        layers = [("conv2d", 7 * source + i, (5, 5, down[i], down[i + 1])) for i in range(6)]
        layers.append(("conv2d", 7 * source + 6, (4, 4, 1, 2)))
        ups = [(512, 256), (512, 128), (256, 64), (128, 32), (64, 16), (32, 1)]
        layers += [("conv2d_transpose", 6 * source + i, (5, 5, after, before)) for i, (before, after) in enumerate(ups)]
        for kind, number, shape in layers:
            inputs = shape[3] if kind == "conv2d_transpose" else shape[2]
            place = f"{kind}_{number}" if number else kind
            found[f"{place}/kernel"] = (rng.standard_normal(shape) / np.sqrt(8 * inputs)).astype(np.float32)
            found[f"{place}/bias"] = rng.normal(0, 0.1, shape[2] if kind == "conv2d_transpose" else shape[3]).astype(np.float32)
        for i, width in enumerate([*down[1:], *(after for _, after in ups)], 12 * source):
            place = f"batch_normalization_{i}" if i else "batch_normalization"
            for name, low in (("gamma", 0.5), ("beta", -0.5), ("moving_mean", -0.5), ("moving_variance", 0.5)):
                found[f"{place}/{name}"] = rng.uniform(low, low + 1, width).astype(np.float32)
    return found


@pytest.mark.parametrize("source", [0, 1])
def test_a_network_computes_what_tensorflow_defines(weights, source):
    x = np.abs(np.random.default_rng(1).standard_normal((64, 128, 2)))
    network = spleeter.UNet().eval()
    network.fill(weights, source)
    with torch.inference_mode():
        mine = network(torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32)))[0].numpy().transpose(1, 2, 0)
    expected = unet(weights, x, source)
    assert np.ptp(expected / x) > 0.1  # the mask is one
    np.testing.assert_allclose(mine, expected, atol=1e-4)


def tone(frequency, seconds):
    wave = 0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, -0.5 * wave], axis=1).astype(np.float32)


@pytest.mark.parametrize(("share", "gain"), [(0.0, 1.0), (1.0, 0.5), (2.0, 0.2)])
def test_the_mask_is_the_share_of_squares_and_ends_at_11_khz(weights, share, gain):
    separate = spleeter.Spleeter(weights)
    separate.sources = [lambda x: x, lambda x: share * x]
    low, high = tone(1000, 12.5), tone(15_000, 12.5)  # more than one piece
    vocals = separate(low + high)
    assert vocals.shape == low.shape and vocals.dtype == np.float32
    inside = slice(RATE // 10, -RATE // 10)  # where a tone begins and ends, it has all frequencies
    np.testing.assert_allclose(vocals[inside], gain * low[inside], atol=1e-4)


def test_pieces_fit_together(weights):
    """What two networks share out adds up to all below 11 kHz, at every sample."""
    separate = spleeter.Spleeter(weights)
    noise = np.random.default_rng(2).standard_normal((4000, 2)) * np.hanning(4000)[:, None]
    mixture = soxr.resample(noise.astype(np.float32), 10_000, RATE)  # nothing above 5 kHz
    first = separate(mixture)
    separate.sources.reverse()
    np.testing.assert_allclose(first + separate(mixture), mixture, atol=1e-4)


def test_with_its_weights_it_finds_the_voice_of_a_composed_song():
    if not spleeter.PACKAGE.folder.exists():
        pytest.skip("the weights of Spleeter are not here; make peers fetches them")
    stems = mixing.play(np.random.default_rng(0), 4.0)
    mixture, vocals = (soxr.resample(x, band.RATE, RATE).astype(np.float32) for x in (sum(stems.values()), stems["vocals"]))
    assert whole.global_sdr(vocals, spleeter.load()(mixture)) > whole.global_sdr(vocals, mixture) + 1
