from dataclasses import replace

import pytest

from tests.conftest import changed
from unsung.data.tracks import read_index
from unsung.models.separator import Config, Separator
from unsung.training import valid_plan, valid_sdr
from unsung.validation import over_tracks, sweep_track


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "valid")[0]


def test_the_first_row_is_what_training_saw_and_more_calls_are_something_else(track, params, separator, tmp_path):
    separator.save(tmp_path)
    wanted = changed(params, sweep__steps=[3])  # and the process's own one call
    rows = sweep_track(track, tmp_path, wanted).set_index("steps")["valid_sdr"]
    assert rows[1] == pytest.approx(valid_sdr(separator, track, valid_plan(params)), abs=1e-5)
    three = replace(valid_plan(params), sampling={"steps": 3, "samples": 1, "deterministic": False})
    assert rows[3] == pytest.approx(valid_sdr(separator, track, three), abs=1e-5) != pytest.approx(rows[1], abs=1e-5)


def test_a_process_without_a_state_has_one_row(track, params, tmp_path):
    predictive = changed(params, model__process="predictive")
    Separator(Config.of(predictive, covers_song=False)).save(tmp_path)
    assert sweep_track(track, tmp_path, predictive)["steps"].tolist() == [1]


def test_the_mean_over_tracks(track, params, separator, tmp_path):
    separator.save(tmp_path)
    one = sweep_track(track, tmp_path, changed(params, sweep__steps=[2, 1]))
    found = over_tracks([one, one.assign(valid_sdr=one["valid_sdr"] + 2)])
    assert found["steps"].tolist() == [1, 2] and found["tracks"].tolist() == [2, 2]
    assert found["valid_sdr"].tolist() == pytest.approx((one.sort_values("steps")["valid_sdr"] + 1).tolist())
