import pytest

from tests.conftest import changed
from unsung.data.tracks import read_index
from unsung.models.separator import Config, Separator
from unsung.separation import Method
from unsung.sweep import over_tracks, sweep_track
from unsung.validation import valid_plan, valid_sdr


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "valid")[0]


def sweep(track, folder, params, calls):
    return sweep_track(track, Method.of(folder, params), valid_plan(params), params.sweep.model_copy(update={"calls": calls}))


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


def test_draws_are_scored_where_they_differ(track, params, separator, tmp_path):
    separator.save(tmp_path)
    rows = sweep(track, tmp_path, params, [3]).set_index("calls")
    assert rows["draws"].tolist() == [1, params.sweep.draws]
    assert rows.loc[1, "variance"] == 0 and rows.loc[1, "mean_gain"] == 0
    assert rows.loc[3, "variance"] > 0 and rows.loc[3, "mean_gain"] != 0
    mean = over_tracks([rows.reset_index(), rows.reset_index()]).set_index("calls")
    assert mean.loc[1, "spread_over_skill"] == 0
    expected = rows.loc[3, "variance"] * (1 + 1 / params.sweep.draws) / rows.loc[3, "error"]
    assert mean.loc[3, "spread_over_skill"] == pytest.approx(expected)
    assert mean["crps"].tolist() == pytest.approx(rows["crps"].tolist())


def test_a_track_without_a_moment_that_sounds_has_an_sdr_and_no_scores_of_draws(track, params, separator, tmp_path, monkeypatch):
    separator.save(tmp_path)
    monkeypatch.setattr("unsung.sweep.SECONDS", 1000.0)
    rows = sweep(track, tmp_path, params, [1])
    assert rows["valid_sdr"].notna().all() and rows[["draws", "crps", "error"]].isna().all(axis=None)
    whole = over_tracks([rows, rows.assign(draws=1.0, mean_gain=0.0, stft_distance=1.0, crps=0.5, variance=0.0, error=1.0)])
    assert whole["crps"].tolist() == [0.5] and whole["tracks"].tolist() == [2]
