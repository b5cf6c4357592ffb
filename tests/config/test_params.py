from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.conftest import ROOT, changed
from unsung.config.params import data_root, load_params, resume_folder
from unsung.errors import UserError


def with_text(tmp_path: Path, old: str, new: str) -> Path:
    text = (ROOT / "params.yaml").read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_projects_params_are_valid_and_learning_rate_is_a_number():
    params = load_params(ROOT / "params.yaml")
    assert params.train.learning_rate == pytest.approx(3e-3)
    assert params.network is params.networks.band_split


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  sample_rate: 22050 ", "  # sample_rate ", "audio.sample_rate in .* is missing"),
        ("  sample_rate: 22050 ", "  sample_rte: 1\n  sample_rate: 22050 ", "audio.sample_rte in .* is not a parameter"),
        ("provider: demo ", "provider: napster ", "data.provider in .* is 'napster'"),
        ("hop_length: 256 ", "hop_length: 700 ", "stft .*hop_length less than its half"),
        ("learning_rate: 3.0e-3", "learning_rate: fast", "train.learning_rate in .* is 'fast'"),
        ("targets: [vocals]", "targets: [vocals, vocals]", "model.targets in .*targets must be different stems"),
        (
            "segment_seconds: 4.0 ",
            "segment_seconds: 1.0 ",
            "a window of the STFT do not fit: shards.segment_seconds must be at least 3.05",
        ),
        ("audio:", "audio: [", "is not YAML"),
        ("  window_seconds: 8.0 ", "  window_seconds: 0.00001 ", "must be at least 0.093, two windows of the STFT"),
        ("  window_seconds: 1.0 ", "  window_seconds: 0.00001 ", "evaluate.window_seconds in .* is 1e-05"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(tmp_path, old, new, said):
    with pytest.raises(UserError, match=said):
        load_params(with_text(tmp_path, old, new))


def test_what_no_process_could_do_is_one_line(params):
    ddpm = {"model__process": "ddpm"}
    for name, value in (("train__valid_calls", 501), ("sweep__calls", [1, 501]), ("uncertainty__calls", 501)):
        with pytest.raises(ValidationError, match="must not exceed the 500 timesteps of ddpm"):
            changed(params, **ddpm, processes__ddpm__start_time=0.5, **{name: value})
    for prediction in ("epsilon", "velocity"):
        with pytest.raises(ValidationError, match="mask must be complex, or prediction data"):
            changed(params, **ddpm, processes__ddpm__forward__prediction=prediction, networks__band_split__mask="magnitude")
    assert changed(params, **ddpm, networks__band_split__mask="magnitude").network.mask == "magnitude"


def test_weights_to_begin_with_must_not_lie_where_dvc_empties(params, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="models/best.* is in models/, which DVC empties before it trains.* copy it"):
        resume_folder(changed(params, train__resume_from="models/best"))
    assert resume_folder(changed(params, train__resume_from="../a/models/best")) == Path("../a/models/best")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))  # a queued experiment runs in a folder of its own
    assert resume_folder(changed(params, train__resume_from="models/best")) == tmp_path / "main" / "models" / "best"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.yaml is not here"):
        load_params(tmp_path / "nowhere.yaml")


def test_a_relative_data_root_starts_at_the_main_checkout(params, monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert data_root(changed(params, data__root="../songs")) == tmp_path / "../songs"
    assert data_root(changed(params, data__root="/songs")) == Path("/songs")
