import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.conftest import changed
from unsung import audio, separation
from unsung.data.tracks import mixture, read_index
from unsung.evaluation import score_track
from unsung.files import sha256
from unsung.reporting import figures
from unsung.reporting.report import draw, write_report
from unsung.reporting.tables import by_track


@pytest.fixture(scope="module")
def separated(stems_folder, params, tmp_path_factory):
    """A test track, its estimates by a network that knows nothing, and their scores."""
    from unsung.models.separator import Config, Separator

    folder = tmp_path_factory.mktemp("separated")
    track = read_index(stems_folder / "test")[0]
    separator = Separator(Config.of(params, covers_song=False)).eval()
    plan = separation.Plan.of(params.separate, 8000, {}, 0)
    separation.write_parts(separator, lambda: mixture(track), audio.Facts(8000, 1, 0), folder / track.name, plan)
    return track, folder, score_track(track, folder, params)


def test_a_report_can_be_read_on_its_own(separated, params, tmp_path):
    track, estimates, frames = separated
    curve = pd.DataFrame({"step": [4, 8], "train_loss": [2.0, 1.0], "valid_sdr": [3.25, 2.0]})
    metrics = write_report(tmp_path / "report.md", by_track(frames), curve, [track], estimates, params)
    text = (tmp_path / "report.md").read_text()
    assert f"{metrics['vocals']['sdr']:.2f} dB" in text
    assert "the weights are those of step 4" in text.lower() and "SDR 3.25 dB" in text
    for line in ("| vocals | mixture |", "| vocals | unsung |", "| vocals | ideal ratio mask |", f"| {track.name} | vocals |"):
        assert line in text
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(pictures) == 1 and (tmp_path / pictures[0]).read_bytes().startswith(b"\xff\xd8\xff")
    assert "nan" not in text.lower() and "None" not in text
    json.dumps(metrics, allow_nan=False)


def test_a_report_without_a_score_says_so(separated, params, tmp_path):
    track, estimates, frames = separated
    nothing = frames.assign(silent=True, sdr=np.nan, isr=np.nan, sir=np.nan, sar=np.nan)
    curve = pd.DataFrame({"step": [4], "train_loss": [2.0], "valid_sdr": [3.25]})
    write_report(tmp_path / "report.md", by_track(nothing), curve, [track], estimates, params)
    text = (tmp_path / "report.md").read_text()
    assert "no track could be scored" in text and "1 track(s) have no scored frame at all" in text


def test_two_targets_have_pictures_of_their_own(separated, params, tmp_path, monkeypatch):
    drawn: list[str] = []
    monkeypatch.setattr(figures, "spectrograms", lambda path, panels, *others, **more: drawn.extend(panels))
    track, estimates, frames = separated
    audio.write(estimates / track.name / "drums.flac", [np.zeros((32_000, 1), np.int32)], 8000, 1)
    both = changed(params, model__targets=["vocals", "drums"])
    drums = frames[frames["source"] == "vocals"].assign(source="drums")
    curve = pd.DataFrame({"step": [4], "train_loss": [2.0], "valid_sdr": [3.25]})
    metrics = write_report(tmp_path / "report.md", by_track(pd.concat([frames, drums])), curve, [track], estimates, both)
    assert {"vocals", "drums", "accompaniment"} < set(metrics)
    both_of = [f"{source}, {which}" for source in ("vocals", "drums", "accompaniment") for which in ("true", "separated")]
    assert drawn == ["mixture", "error of the vocals", *both_of]


def test_names_that_differ_in_their_signs_have_figures_of_their_own(separated, params, tmp_path, monkeypatch):
    track, estimates, _ = separated
    monkeypatch.setattr(figures, "spectrograms", lambda *others, **more: None)
    names = set()
    for name in ("A - B!", "A - B?"):
        shutil.copytree(estimates / track.name, tmp_path / name)
        names.add(draw(replace(track, name=name), tmp_path, tmp_path, params))
    assert len(names) == 2


def test_a_figure_is_the_same_bytes_again(tmp_path):
    rng = np.random.default_rng(0)
    panels = {name: rng.standard_normal((8000, 1)).astype(np.float32) for name in ("a", "b", "c")}
    for name in ("1.jpg", "2.jpg"):
        figures.spectrograms(tmp_path / name, panels, 8000, start=1.0)
    assert sha256(tmp_path / "1.jpg") == sha256(tmp_path / "2.jpg")


def test_silence_can_be_drawn(tmp_path):
    figures.spectrograms(tmp_path / "a.jpg", {"silence": np.zeros((100, 2), np.float32)}, 8000, start=0.0)
    assert (tmp_path / "a.jpg").stat().st_size > 1000
