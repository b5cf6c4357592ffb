import numpy as np
import pytest
import soundfile

from tests.conftest import changed
from unsung.data.maps import save_maps
from unsung.reporting.calibration import calibration, overall
from unsung.scoring.evaluation import references


@pytest.fixture
def wrong(run, tmp_path):
    """An estimate with an error of white noise of rms 0.01, and the map that says so."""
    true = references(run.track, ("vocals",))["vocals"]
    rng = np.random.default_rng(0)
    path = tmp_path / "separated" / run.track.name / "vocals.flac"
    path.parent.mkdir(parents=True)
    soundfile.write(path, true + 0.01 * rng.standard_normal(true.shape), run.params.audio.sample_rate, "PCM_24")
    params, samples = changed(run.params, uncertainty__draws=4), true.shape[0]
    stft = params.stft
    level = 0.01 * np.sqrt(0.375 * stft.n_fft)  # of its spectrum: a Hann window's power is 3/8
    columns = -(-samples // (4 * stft.hop_length))

    def found(scale):
        image = np.full((1, -(-(stft.n_fft // 2 + 1) // 2), columns), scale * level / np.sqrt(1.25), np.float16)
        save_maps(tmp_path / "maps" / run.track.name, ("vocals",), image)
        return calibration([run.track], tmp_path / "separated", tmp_path / "maps", params)

    return found


def test_a_map_that_tells_the_truth_has_the_ratio_1(wrong):
    table = wrong(1.0)
    assert table["tenth"].tolist() == list(range(1, 11))
    assert overall(table) == pytest.approx(1, rel=0.05)


def test_one_that_is_too_sure_of_itself_has_less(wrong):
    assert overall(wrong(0.5)) == pytest.approx(0.25, rel=0.05)


def test_points_are_sorted_by_their_spread(run):
    params = changed(run.params, uncertainty__draws=4)
    table = calibration([run.track], run.separated, run.uncertainty, params)
    assert table["spread"].is_monotonic_increasing and (table["error"] > 0).all()
    whole = (table["spread"] ** 2).mean() / (table["error"] ** 2).mean()
    assert overall(table) == pytest.approx(whole, rel=0.01)


def test_without_maps_there_is_no_row(run, tmp_path):
    table = calibration([run.track], run.separated, tmp_path, run.params)
    assert table.empty and np.isnan(overall(table))
