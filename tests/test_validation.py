import pytest

from tests.conftest import changed
from unsung.data.tracks import read_index
from unsung.models.separator import Config, Separator
from unsung.separation import Method
from unsung.validation import over_tracks, sweep_track, valid_plan, valid_sdr


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "valid")[0]


def sweep(track, folder, params, calls):
    return sweep_track(track, Method.of(folder, params), valid_plan(params), calls)


def test_the_first_row_is_what_training_saw_and_more_calls_are_something_else(track, params, separator, tmp_path):
    separator.save(tmp_path)
    rows = sweep(track, tmp_path, params, [3]).set_index("calls")["valid_sdr"]  # and the process's own one call
    assert rows[1] == pytest.approx(valid_sdr(separator, track, valid_plan(params)), abs=1e-5)
    separator.sample_with(params.process.changed(calls=3))
    three = valid_sdr(separator, track, valid_plan(params))
    assert rows[3] == pytest.approx(three, abs=1e-5) != pytest.approx(rows[1], abs=1e-5)


def test_a_process_without_a_state_has_one_row(track, params, tmp_path):
    predictive = changed(params, model__process="predictive")
    Separator(Config.of(predictive, covers_song=False)).save(tmp_path)
    assert sweep(track, tmp_path, predictive, [2, 4])["calls"].tolist() == [1]


def test_the_mean_over_tracks(track, params, separator, tmp_path):
    separator.save(tmp_path)
    one = sweep(track, tmp_path, params, [2, 1])
    mean = over_tracks([one, one.assign(valid_sdr=one["valid_sdr"] + 2)])
    assert mean["calls"].tolist() == [1, 2] and mean["tracks"].tolist() == [2, 2]
    assert mean["valid_sdr"].tolist() == pytest.approx((one.sort_values("calls")["valid_sdr"] + 1).tolist())
