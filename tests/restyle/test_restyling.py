import numpy as np
import pytest
import torch

from tests.restyle.conftest import params_with
from unsung import audio
from unsung.restyle import restyling
from unsung.restyle.model import Model
from unsung.restyle.restyler import Restyler
from unsung.restyle.restyling import Manner
from unsung.restyle.training import config_of
from unsung.restyle.vocoder.network import begin
from unsung.restyle.vocoder.streaming import system


@pytest.fixture(scope="module")
def model(small):
    torch.manual_seed(0)
    restyler = Restyler(config_of(params_with())).eval()
    return Model(restyler, system("network+griffin_lim", begin(restyler.config.mel, small.vocoder.network, 0)))


def song(seconds):
    return np.random.default_rng(0).uniform(-0.3, 0.3, (round(seconds * 8000), 1)).astype(np.float32)


def blocks(samples, size=3000):
    return (samples[first : first + size] for first in range(0, len(samples), size))


@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.0, 2.004, 5.3])
def test_what_comes_out_is_as_long_as_the_song(model, seconds):
    samples = song(seconds)
    found = np.concatenate(list(restyling.restyled(model, blocks(samples), Manner(2.0, 0.25, 0))))
    assert found.shape == samples.shape and np.isfinite(found).all()


def test_blocks_do_not_matter(model):
    samples = song(5.3)
    one, other = (
        np.concatenate(list(restyling.restyled(model, blocks(samples, size), Manner(2.0, 0.25, 0)))) for size in (100, 9999)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_windows_fade_into_each_other(model, monkeypatch):
    """A window whose log-mels are its number: between two windows they rise evenly."""
    starts = iter(range(9))

    def numbered(restyler, window, plan):
        return torch.full((32, plan.window // 64 + 1), float(next(starts)))

    monkeypatch.setattr(restyling, "_estimate", numbered)
    found = torch.cat(list(restyling.mels(model.restyler, blocks(song(5.0)), Manner(2.0, 0.25, 0))), dim=1)[0]
    assert len(found) == 5 * 125 + 1
    assert found.diff().min() >= 0 and found.diff().max() < 0.02
    assert float(found[0]) == 0 and float(found[-1]) == 2


def test_a_song_of_one_window_is_what_the_network_says_of_it(model):
    samples = song(2.0)
    found = torch.cat(list(restyling.mels(model.restyler, [samples], Manner(2.0, 0.25, 0))), dim=1)
    with torch.inference_mode():
        expected = model.restyler(torch.from_numpy(samples[:, 0])[None], [])[0]
    torch.testing.assert_close(found, expected)


def test_a_test_song_is_written_once(model, songs, tmp_path, small):
    model.restyler.save(tmp_path / "model")
    model.way.vocoder.save(tmp_path / "model/vocoder")
    track = songs.tracks("test")[0]
    how = (tmp_path / "out", "pop", tmp_path / "model", Manner(2.0, 0.25, 0), "network")
    restyling.restyle_track(track, *how)
    path = tmp_path / "out" / f"{track.name}.flac"
    assert audio.facts(path).frames == audio.facts(track.stems["pop"]).frames
    before = path.stat().st_mtime_ns
    restyling.restyle_track(track, *how)
    assert path.stat().st_mtime_ns == before
