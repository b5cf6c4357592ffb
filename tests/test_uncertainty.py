import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung.data.maps import read_maps
from unsung.data.tracks import mixture, read_index
from unsung.devices import generators
from unsung.models.separator import Config, Separator
from unsung.separation import Method
from unsung.uncertainty import write_maps


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "test")[0]


def maps(track, folder, params):
    Separator(Config.of(params, covers_song=False)).save(folder / "model")
    write_maps(track, folder / "maps", Method.of(folder / "model", params), params.uncertainty)
    return read_maps(folder / "maps" / track.name, params.model.targets, slice(0, 32_000), params.stft.hop_length)


def test_a_map_is_the_standard_deviation_of_the_draws(track, params, tmp_path):
    image = maps(track, tmp_path, changed(params, uncertainty={"draws": 4, "calls": 3}))["vocals"]
    assert image.shape == (65, 125)  # half the 129 frequencies, a quarter of the 500 frames of 4 s
    separator = Separator.load(tmp_path / "model")
    separator.sample_with(params.process.changed(draws=4, calls=3))
    first = torch.from_numpy(np.concatenate(list(mixture(track)))[:7936].T.copy())[None]  # a window of whole columns
    with torch.inference_mode():
        draws = separator.draws(first, generators([(params.seed, 0)], torch.device("cpu")))[:, 0, 0, 0].numpy()
    power = draws.std(0, ddof=1)[:128, :124].reshape(64, 2, 31, 4) ** 2
    np.testing.assert_allclose(image[:64, :31], np.sqrt(power.mean((1, 3))), rtol=2e-3, atol=1e-5)


def test_a_generator_has_a_map_in_its_one_call(track, params, tmp_path):
    image = maps(track, tmp_path, changed(params, model__process="generator", uncertainty={"draws": 2, "calls": 3}))["vocals"]
    assert image.any()


@pytest.mark.parametrize("wanted", [{"uncertainty__draws": 0}, {"uncertainty__calls": 1}, {"model__process": "predictive"}])
def test_there_is_no_map_where_all_draws_are_the_same(track, params, tmp_path, wanted):
    assert maps(track, tmp_path, changed(params, **wanted)) == {}


def test_a_map_that_is_there_is_not_drawn_again(track, params, tmp_path):
    maps(track, tmp_path, params)
    path = tmp_path / "maps" / track.name / "vocals.npy"
    np.save(path, np.zeros((65, 125), np.float16))
    assert not maps(track, tmp_path, params)["vocals"].any()
