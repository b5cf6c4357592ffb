"""Scores of draws, by networks of which the answer is known."""

import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung.data.tracks import read_index
from unsung.draws import case, draws, scores, segments, waveforms
from unsung.models.separator import Config, Separator


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "valid")[0]


def make(params, process, network=None, **forward):
    built = Separator(Config.of(changed(params, model__process=process), covers_song=False)).eval()
    built.network = network or built.network
    return built


def first(separator, track):
    return case(separator, next(segments(track, ("vocals",), 8000, 1)))


def test_segments_lie_evenly_and_none_is_silent(track):
    found = list(segments(track, ("vocals",), 8000, 3))
    assert found and all(segment.targets.abs().max() > 0 for segment in found)
    assert not list(segments(track, ("vocals",), 8_000_000, 3))


def test_the_truth_leaves_the_targets(params, track):
    separator = make(params, "bridge")
    found = first(separator, track)
    torch.testing.assert_close(waveforms(separator, found, found.truth), found.segment.targets, atol=1e-4, rtol=0)
    perfect = scores(separator, found, torch.stack([found.truth, found.truth]))
    assert perfect.sdr > 60 and perfect.crps == 0 == perfect.mae and perfect.spread.variance == 0
    assert perfect.stft_distance == pytest.approx(0, abs=0.05)


def test_the_mean_of_draws_is_nearer_than_one_where_they_err_by_chance(params, track):
    separator = make(params, "bridge")
    found = first(separator, track)
    noisy = torch.stack([found.truth + 0.3 * found.y.abs() * torch.randn_like(found.truth) for _ in range(16)])
    result = scores(separator, found, noisy)
    assert result.sdr_of_mean - result.sdr == pytest.approx(10 * np.log10(16), abs=1)
    assert result.spread.ratio == pytest.approx(16, rel=0.2)  # the truth is their middle, not one of them
    assert result.crps < result.mae + scores(separator, found, noisy[:1]).mae


@pytest.mark.parametrize("process, calls, count", [("bridge", 1, 1), ("bridge", 2, 3), ("generator", 4, 3), ("predictive", 4, 1)])
def test_as_many_draws_as_differ(params, track, process, calls, count):
    separator = make(params, process)
    found = first(separator, track)
    drawn = draws(separator, found, calls, 3, seed=0)
    assert drawn.shape == (count, *found.truth.shape)
    assert torch.equal(drawn, draws(separator, found, calls, 3, seed=0))
