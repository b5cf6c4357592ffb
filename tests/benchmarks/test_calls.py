"""The diagnosis of calls, with networks of which the answer is known."""

import calls
import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung.data.tracks import read_index
from unsung.draws import case, segments
from unsung.errors import UserError
from unsung.models.separator import Config, Separator


class Copying(torch.nn.Module):
    """Believes its state: the counterfactual is the state. With no state it removes a half."""

    def forward(self, state, mixture, time):
        masks = 1 - state / torch.where(mixture == 0, 1, mixture).unsqueeze(1)
        return torch.where((time == 1).view(-1, 1, 1, 1, 1), 0.5, masks)


class Unmoved(torch.nn.Module):
    """All of the mixture is the target."""

    def forward(self, state, mixture, time):
        return torch.ones_like(mixture).unsqueeze(1)


def separator(params, process, network):
    built = Separator(Config.of(changed(params, model__process=process), covers_song=False)).eval()
    built.network = network
    return built


@pytest.fixture(scope="module")
def cases(params, stems_folder):
    built = separator(params, "bridge", Copying())
    tracks = read_index(stems_folder / "valid")
    return [case(built, segment) for track in tracks for segment in segments(track, ("vocals",), 8000, 3)]


def test_a_network_that_believes_its_state_is_found_out(params, cases):
    table = calls.by_state(separator(params, "bridge", Copying()), cases, seed=0)
    assert list(table["time"]) == list(calls.TIMES)
    last = table.iloc[-1]
    assert last["truth"] > last["own answer"] + 1 and last["truth"] > last["another's truth"] + 1


def test_draws_that_differ_have_spread_and_a_single_call_has_none(params, cases):
    table = calls.by_calls(separator(params, "bridge", Copying()), cases, [1, 2], count=4, seed=0).set_index("calls")
    assert table["draws"].tolist() == [1, 4]
    assert table["ratio"][1] == 0 and table["crps"][1] == table["mae"][1]
    assert table["ratio"][2] >= 0 and np.isfinite(table.to_numpy()).all()


def test_a_ddpm_is_asked_in_its_own_states(params, cases):
    built = separator(params, "ddpm", Unmoved())
    truth = cases[0].truth
    for t in (0.25, 0.9):
        torch.testing.assert_close(calls.one_call(built, cases[0], truth, t, seed=0), 0 * truth)
    built = Separator(Config.of(changed(params, model__process="ddpm"), covers_song=False)).eval()
    assert np.isfinite(calls.by_state(built, cases[:2], seed=0).to_numpy()).all()


def test_what_has_no_state_is_one_line(params, cases):
    built = Separator(Config.of(changed(params, model__process="predictive"), covers_song=False)).eval()
    with pytest.raises(UserError, match="has no state"):
        calls.one_call(built, cases[0], cases[0].truth, 0.5, seed=0)
