import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import changed
from unsung import audio, separation
from unsung.data.tracks import mixture, read_index
from unsung.evaluation import score_track
from unsung.files import sha256
from unsung.models.separator import Config, Separator, generators
from unsung.reporting import figures
from unsung.reporting.report import Findings, draw, uncertainty, write_report
from unsung.reporting.tables import by_track

CROSSINGS = pd.DataFrame(
    {"table": ["demo"], "network": ["unet"], "process": ["ddpm"], "vocals_sdr": [7.654], "vocals_gnsdr": [np.nan]}
)


@pytest.fixture(scope="module")
def found(stems_folder, params, tmp_path_factory):
    """A test track, its estimates by a network that knows nothing, and their scores."""
    folder = tmp_path_factory.mktemp("separated")
    track = read_index(stems_folder / "test")[0]
    separator = Separator(Config.of(params, covers_song=False)).eval()
    plan = separation.Plan.of(params.separate, 8000, {}, 0)
    separation.write_parts(separator, lambda: mixture(track), audio.Facts(8000, 1, 0), folder / track.name, plan)
    frames, whole = score_track(track, folder, params)
    curve = pd.DataFrame({"step": [4, 8], "train_loss": [2.0, 1.0], "valid_sdr": [3.25, 2.0]})
    return Findings(by_track(frames, whole), whole, curve, [track], folder, separator)


def test_a_report_can_be_read_on_its_own(found, params, tmp_path):
    metrics = write_report(tmp_path / "report.md", found, CROSSINGS, params)
    text = (tmp_path / "report.md").read_text()
    assert f"{metrics['vocals']['sdr']:.2f} dB" in text
    assert "the weights are those of step 4" in text.lower() and "SDR 3.25 dB" in text
    for line in (
        "| vocals | mixture |",
        "| vocals | unsung |",
        "| vocals | ideal ratio mask |",
        f"| {found.tracks[0].name} | vocals |",
    ):
        assert line in text
    assert "| network | process | vocals sdr |" in text and "| unet | ddpm | 7.65 |" in text  # what has no value has no column
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(pictures) == 1 and (tmp_path / pictures[0]).read_bytes().startswith(b"\xff\xd8\xff")
    assert "nan" not in text.lower() and "None" not in text
    json.dumps(metrics, allow_nan=False)


def test_a_report_without_a_score_says_so(found, params, tmp_path):
    nothing = found.scores.assign(frames=0, sdr=np.nan, isr=np.nan, sir=np.nan, sar=np.nan)
    write_report(tmp_path / "report.md", replace(found, scores=nothing), CROSSINGS, params)
    text = (tmp_path / "report.md").read_text()
    assert "no track could be scored" in text and "1 track(s) have no scored frame at all" in text


def test_two_targets_have_pictures_of_their_own(found, params, tmp_path, monkeypatch):
    drawn: list[str] = []
    monkeypatch.setattr(figures, "spectrograms", lambda path, panels, *others, **more: drawn.extend(panels))
    audio.write(found.estimates / found.tracks[0].name / "drums.flac", [np.zeros((32_000, 1), np.int32)], 8000, 1)
    both = changed(params, model__targets=["vocals", "drums"])
    drums = found.scores[found.scores["source"] == "vocals"].assign(source="drums")
    metrics = write_report(tmp_path / "report.md", replace(found, scores=pd.concat([found.scores, drums])), CROSSINGS, both)
    assert {"vocals", "drums", "accompaniment"} < set(metrics)
    both_of = [f"{source}, {which}" for source in ("vocals", "drums", "accompaniment") for which in ("true", "separated")]
    assert drawn == ["mixture", "error of the vocals", *both_of]


def test_whole_tracks_have_a_table_of_their_own(found, params, tmp_path):
    whole = pd.DataFrame({"system": ["unsung", "mixture"], "sdr": [5.0, 1.0], "sir": [6.0, 2.0], "sar": [7.0, 3.0]})
    whole = whole.assign(track=found.tracks[0].name, source="vocals", seconds=4.0)
    metrics = write_report(tmp_path / "report.md", replace(found, whole=whole), CROSSINGS, params)
    assert metrics["vocals"]["gnsdr"] == 4.0
    assert "| vocals | unsung | 4.00 | 6.00 | 7.00 |" in (tmp_path / "report.md").read_text()


def test_the_spread_of_samples_is_drawn_where_there_are_some(found, params):
    song = np.random.default_rng(0).standard_normal((4000, 1)).astype(np.float32)
    song[2000:] = 0  # silence leaves nothing to doubt
    assert uncertainty(found.separator, song, params) == {}
    certain = changed(params, processes__bridge__samples=4)  # one call draws no noise
    assert uncertainty(found.separator, song, certain) == {}
    unsure = changed(params, processes__bridge__samples=4, processes__bridge__steps=3)
    ((title, image),) = uncertainty(found.separator, song, unsure).items()
    assert title == "vocals, spread of 4 samples" and image.shape == (129, 4000 // 64 + 1)
    assert image[:, :28].mean() > 100 * image[:, 36:].mean()
    with torch.inference_mode():
        rngs = generators([(0,)], torch.device("cpu"))
        draws = found.separator.samples(torch.from_numpy(song.T.copy())[None], {"steps": 3, "samples": 4}, rngs)
    np.testing.assert_allclose(image, draws[:, 0, 0, 0].numpy().std(0, ddof=1), atol=1e-5)


def test_names_that_differ_in_their_signs_have_figures_of_their_own(found, params, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "spectrograms", lambda *others, **more: None)
    names = set()
    for name in ("A - B!", "A - B?"):
        shutil.copytree(found.estimates / found.tracks[0].name, tmp_path / name)
        names.add(draw(replace(found.tracks[0], name=name), tmp_path, found.separator, tmp_path, params))
    assert len(names) == 2


def test_a_figure_is_the_same_bytes_again(tmp_path):
    rng = np.random.default_rng(0)
    panels = {name: figures.spectrogram(rng.standard_normal((8000, 1)).astype(np.float32), 256) for name in ("a", "b", "c")}
    for name in ("1.jpg", "2.jpg"):
        figures.spectrograms(tmp_path / name, panels, 4.0, start=1.0, end=2.0)
    assert sha256(tmp_path / "1.jpg") == sha256(tmp_path / "2.jpg")


def test_silence_can_be_drawn(tmp_path):
    silence = figures.spectrogram(np.zeros((100, 2), np.float32), 256)
    figures.spectrograms(tmp_path / "a.jpg", {"silence": silence}, 4.0, start=0.0, end=0.0125)
    assert (tmp_path / "a.jpg").stat().st_size > 1000
