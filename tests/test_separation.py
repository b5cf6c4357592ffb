import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung import audio, devices, separation
from unsung.audio import FULL_SCALE, Facts
from unsung.errors import UserError
from unsung.models.separator import Config, Separator
from unsung.separation import Method, share_out, stems
from unsung.windows import Plan, Window, fades, windows

PLAN = Plan(window=4000, overlap=1000, batch_size=2, seed=0)


def noise(frames, channels=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def in_blocks(samples, size=1777):
    return (samples[i : i + size] for i in range(0, len(samples), size))


class Half(torch.nn.Module):
    """A network whose mask is a half everywhere."""

    def __init__(self):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.tensor(0.5 + 0j))

    def forward(self, state, mixture, time):
        return self.mask.expand(state.shape)


@pytest.mark.parametrize("length", [1, 999, 4000, 4001, 7000, 7001, 12_345])
def test_windows_cover_the_song_once(length):
    song = noise(length)
    found = list(windows(in_blocks(song), PLAN))
    assert [w.start for w in found] == [3000 * i for i in range(len(found))]
    assert [w.last for w in found] == [False] * (len(found) - 1) + [True]
    assert found[-1].start + found[-1].length == length
    for window in found:
        np.testing.assert_array_equal(window.samples[: window.length], song[window.start : window.start + window.length])
        assert len(window.samples) == PLAN.window


@pytest.mark.parametrize("length", [1, 3500, 4001, 12_345])
@pytest.mark.parametrize("overlap", [0, 1000, 2000])
def test_windows_fade_into_each_other_without_a_trace(separator, length, overlap):
    separator.network = Half()
    song = noise(length)
    plan = Plan(4000, overlap, 2, 0)
    found = np.concatenate(list(stems(separator, in_blocks(song), plan)), axis=1)
    np.testing.assert_allclose(found[0], 0.5 * song, atol=1e-5)


@pytest.mark.parametrize("calls", [1, 3])
def test_neither_blocks_nor_batches_matter(separator, calls):
    separator.sample_with(separator.process.settings.changed(calls=calls))
    song = noise(20_000)
    results = []
    for size, batch_size in ((1777, 1), (1777, 5), (20_000, 2)):
        plan = Plan(4000, 1000, batch_size, seed=1)
        results.append(np.concatenate(list(stems(separator, in_blocks(song, size), plan)), axis=1))
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_the_seed_matters_where_there_is_noise(separator):
    def found(seed, calls):
        separator.sample_with(separator.process.settings.changed(calls=calls))
        return np.concatenate(list(stems(separator, in_blocks(noise(6000)), Plan(4000, 1000, 2, seed))), axis=1)

    np.testing.assert_array_equal(found(0, 3), found(0, 3))
    assert not np.array_equal(found(0, 3), found(1, 3))
    np.testing.assert_array_equal(found(0, 1), found(1, 1))


@pytest.mark.parametrize(("model_channels", "song_channels"), [(1, 2), (1, 5), (2, 1), (2, 2)])
def test_other_channels_than_the_models_go_one_by_one(params, model_channels, song_channels):
    separator = Separator(Config.of(changed(params, audio__channels=model_channels), covers_song=False)).eval()
    song = noise(9000, song_channels)
    found = np.concatenate(list(stems(separator, in_blocks(song), PLAN)), axis=1)
    assert found.shape == (1, 9000, song_channels)
    if model_channels == 1:
        alone = np.concatenate(list(stems(separator, in_blocks(song[:, 1:2]), PLAN)), axis=1)
        np.testing.assert_allclose(found[..., 1:2], alone, atol=1e-6)


@pytest.mark.parametrize("covers_song", [False, True])
@pytest.mark.parametrize("loudness", [0.1, 0.9, 1.9])
def test_parts_are_whole_numbers_within_full_scale_that_add_up(covers_song, loudness):
    rng = np.random.default_rng(0)
    mixture = (rng.uniform(-loudness, loudness, (1000, 2)) * FULL_SCALE).astype(np.int32)
    estimates = rng.uniform(-1.5, 1.5, (2, 1000, 2)).astype(np.float32)
    found = share_out(mixture, estimates, covers_song)
    assert len(found) == (2 if covers_song else 3)
    assert found.max() < FULL_SCALE and found.min() >= -FULL_SCALE
    np.testing.assert_array_equal(found.sum(0), mixture)


def test_estimates_are_kept_where_they_fit():
    mixture, estimates = np.full((4, 1), 5000, np.int32), np.full((1, 4, 1), 1000 / FULL_SCALE, np.float32)
    np.testing.assert_array_equal(share_out(mixture, estimates, False)[0], 1000)
    np.testing.assert_array_equal(share_out(mixture, estimates, True)[0], 5000)


def test_a_song_far_beyond_full_scale_is_refused():
    with pytest.raises(OverflowError, match=r"peak is 3.0 times full scale"):
        share_out(np.full((4, 1), 3 * FULL_SCALE, np.int32), np.zeros((1, 4, 1), np.float32), False)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_parts_add_up_at_the_songs_own_rate_and_channels(separator, rate, channels):
    song = noise(rate * 3 + 123, channels)
    found = list(separation.parts(separator, in_blocks(song), Facts(rate, channels, 0), PLAN))
    together = np.concatenate(found, axis=1)
    np.testing.assert_array_equal(together.sum(0), audio.to_grid(song))


def test_an_estimate_at_another_rate_keeps_its_place(separator):
    """Half of the song is taken out, so the stem is half of it, up to half the model's rate."""
    separator.network = Half()
    t = np.arange(44_100 * 2) / 44_100
    song = (0.5 * np.sin(2 * np.pi * 1000 * t))[:, None].astype(np.float32)
    found = np.concatenate(list(separation.parts(separator, in_blocks(song), Facts(44_100, 1, 0), PLAN)), axis=1)
    inner = slice(5000, 80_000)
    np.testing.assert_allclose(found[0][inner] / FULL_SCALE, 0.5 * song[inner], atol=1e-3)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("headroom", [1, 2])
def test_parts_keep_to_their_bits_and_headroom(bits, headroom):
    grain, rng = audio.Grain(bits, headroom), np.random.default_rng(0)
    mixture = audio.to_grid(rng.uniform(-1.9, 1.9, (1000, 2)) * headroom, bits)
    found = share_out(mixture, rng.uniform(-3, 3, (1, 1000, 2)).astype(np.float32), False, grain)
    np.testing.assert_array_equal(found.sum(0), mixture)
    assert not (found % 2 ** (24 - bits)).any()
    assert np.abs(found).max() <= headroom * FULL_SCALE and np.abs(found).max() > (headroom - 1) * FULL_SCALE


def test_windows_in_several_threads_give_the_same_bytes(separator):
    separator.sample_with(separator.process.settings.changed(calls=3))
    torch.set_num_threads(1)
    with ThreadPoolExecutor(3) as pool:
        alone, together = (
            np.concatenate(list(stems(separator, in_blocks(noise(60_000)), PLAN, pool)), axis=1) for pool in (None, pool)
        )
    np.testing.assert_array_equal(together, alone)


def test_results_are_in_order_and_an_error_ends_them():
    def halved(number):
        time.sleep(0.01 * (number % 3))
        return 10 // (5 - number)

    with ThreadPoolExecutor(3) as pool:
        found = separation.in_order(pool, halved, range(9))
        assert list(islice(found, 5)) == [(number, 10 // (5 - number)) for number in range(5)]
        with pytest.raises(ZeroDivisionError):
            next(found)


def test_a_gpu_that_is_not_there_is_one_line():
    if torch.cuda.is_available():
        assert devices.device_of("gpu").type == "cuda"
    else:
        with pytest.raises(UserError, match="torch finds none"):
            devices.device_of("gpu")
    assert devices.device_of("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("gpus", "mps", "wanted", "found"),
    [
        (2, False, "auto", "cuda"),
        (2, False, "gpu:1", "cuda:1"),
        (0, True, "auto", "mps"),
        (1, True, "mps", "mps"),
        (0, False, "auto", "cpu"),
    ],
)
def test_auto_takes_the_best_device_and_a_number_takes_one(monkeypatch, gpus, mps, wanted, found):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert str(devices.device_of(wanted)) == found


def test_a_gpu_beyond_those_that_are_there_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match="gpu:2, and torch finds 2, counted from 0"):
        devices.device_of("gpu:2")


def test_sixteen_bits_are_asked_for_by_a_switch(separator, params, tmp_path):
    separator.save(tmp_path)
    song, exact = noise(4000), Method(tmp_path, params.separate, 0)
    plans = [method.plan(separator.config) for method in (exact, Method(tmp_path, params.separate, 0, bfloat16=True))]
    plain, coarse = (np.concatenate(list(stems(separator, iter([song]), plan)), axis=1) for plan in plans)
    assert 0 < np.square(plain - coarse).sum() < 1e-2 * np.square(plain).sum()
    with pytest.raises(UserError, match="int8 and bfloat16 exclude each other"):
        Method(tmp_path, params.separate.model_copy(update={"int8": True}), 0, bfloat16=True).load()


def test_eight_bits_are_asked_for_by_a_switch(params, tmp_path, monkeypatch):
    torch.manual_seed(0)
    Separator(Config.of(changed(params, networks__band_split__dim=32), covers_song=False)).save(tmp_path)
    song = noise(4000)
    plain, small = (
        next(stems(Method(tmp_path, params.separate.model_copy(update={"int8": int8}), 0).load(), iter([song]), PLAN))
        for int8 in (False, True)
    )
    assert 0 < np.square(plain - small).sum() < 1e-2 * np.square(plain).sum()
    monkeypatch.setattr(separation, "device_of", lambda accelerator: torch.device("cuda"))
    with pytest.raises(UserError, match="int8 is for the CPU; set accelerator to cpu"):
        Method(tmp_path, params.separate.model_copy(update={"int8": True}), 0).load()


def test_a_windows_weights_and_its_neighbours_add_up_to_one():
    middle = Window(noise(4000), 3000, 4000, last=False)
    weights = fades(middle, PLAN)
    np.testing.assert_allclose(weights[:1000] + weights[-1000:], 1, atol=1e-6)
