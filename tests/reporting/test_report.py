import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps

from tests.conftest import changed
from tests.reporting.conftest import CALLS, CURVE
from unsung.data.credits import Credit
from unsung.files import portable, sha256
from unsung.reporting import figures
from unsung.reporting.report import Results, draw, write_report
from unsung.scoring import aggregate
from unsung.scoring.scorer import MEASURES

CROSSINGS = pd.DataFrame(
    {"table": ["demo"], "network": ["unet"], "process": ["ddpm"], "vocals_sdr": [7.654], "vocals_gnsdr": [np.nan]}
)


CALIBRATION = pd.DataFrame({"tenth": [1, 2], "points": [8, 8], "spread": [1.0, 2.0], "error": [2.0, 4.0], "ratio": [0.25, 0.25]})
CREDITS = [Credit("voices", "CC-BY-SA-4.0", "A | choir"), Credit("Demo songs", "CC0-1.0")]


def report(run, folder, scenes=None, params=None, **changes):
    results = replace(Results(run.scores, CURVE, CALLS, CROSSINGS, CALIBRATION, CREDITS), **changes)
    write_report(folder / "report.md", results, scenes or run.scenes()[:1], params or run.params)
    return (folder / "report.md").read_text()


def test_a_report_can_be_read_on_its_own(run, tmp_path):
    text = report(run, tmp_path)
    metrics = aggregate.metrics(run.scores, "unsung")
    assert f"{metrics['vocals']['sdr']:.2f} dB" in text
    assert "the weights are those of step 4" in text.lower() and "SDR 3.25 dB" in text
    for line in (
        "| vocals | mixture |",
        "| vocals | unsung |",
        "| vocals | oracle ideal ratio mask |",
        "| source | system | sdr | 95 % | isr | sir | sar | frames scored | dropped |",
        "| source | system | sdr p10 | sdr worst | usdr | si sdr | stft distance | pitch accuracy | nsdr | gnsdr | gsir | gsar |",
        f"| {run.track.name} | vocals |",
        "| 2 | 3.00 | 1 |",
    ):
        assert line in text
    assert "| network | process | vocals sdr |" in text and "| unet | ddpm | 7.65 |" in text  # what has no value has no column
    pictures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert len(pictures) == 1 and (tmp_path / pictures[0]).read_bytes().startswith(b"\xff\xd8\xff")
    assert "nan" not in text.lower() and "None" not in text and "reports/listen.html" in text


def test_licences_credits_and_shares_are_stated(run, tmp_path):
    text = report(run, tmp_path)
    assert "| data | licence | credit |" in text and "| voices | CC-BY-SA-4.0 | A \\| choir |" in text
    assert "| Demo songs | CC0-1.0 | - |" in text and "by these shares" not in text
    shares = changed(run.params, data__shares={"pools/voices": 2.0, "demo": 1.0})
    assert "by these shares: pools/voices 2.0, demo 1.0." in report(run, tmp_path, params=shares)


def test_a_report_without_a_score_says_so(run, tmp_path):
    unscored = {"frames": 0, "silent_frames": 4, **dict.fromkeys(MEASURES, np.nan)}
    nothing = [row | unscored for row in run.scores]
    text = report(run, tmp_path, scores=nothing)
    assert "no track could be scored" in text and "1 track(s) have no scored frame at all" in text
    assert "not scored: 4 silent reference" in text


def test_an_empty_band_is_named(run, tmp_path):
    text = report(run, tmp_path, scores=[row | {"ill_posed": True} for row in run.scores])
    assert f"The references of {run.track.name} leave a band empty" in text
    assert "leave a band empty" not in report(run, tmp_path, scores=[row | {"ill_posed": False} for row in run.scores])


def test_what_is_drawn(run, tmp_path, monkeypatch):
    drawn: dict[str, np.ndarray] = {}
    monkeypatch.setattr(figures, "spectrograms", lambda path, panels, *others: drawn.update(panels))
    scene = run.scenes()[0]
    more = {"drums": scene.mixture}
    both = replace(scene, estimates={**scene.estimates, **more}, references={**scene.references, **more})
    draw(both, tmp_path, run.params)
    pairs = [f"{source}, {which}" for source in ("vocals", "accompaniment", "drums") for which in ("estimate", "reference")]
    *others, uncertainty = drawn
    assert others == ["mixture", "vocals, error", *pairs]
    assert re.fullmatch(r"vocals, uncertainty \(\+\d+ dB\)", uncertainty)
    assert drawn[uncertainty].max() == pytest.approx(max(drawn[title].max() for title in others))


def test_names_that_differ_in_their_signs_have_figures_of_their_own():
    assert portable("A - B!") != portable("A - B?")
    assert re.fullmatch(r"[\w-]+", portable("A/B: ö?"))


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
    assert figures.picture(silence, float(silence.max()), (64, 16)).startswith(b"RIFF")


def test_a_pictures_colours_are_those_of_matplotlib():
    """From the table in the package, because the listening page does without matplotlib."""
    wanted = (colormaps["magma"](np.arange(256))[:, :3] * 255).round()
    np.testing.assert_array_equal(figures._magma(), wanted)


def test_systems_stand_from_the_floor_to_the_ceiling(run, tmp_path):
    text = report(run, tmp_path)
    places = [text.index(f"| vocals | {system} |") for system in ("mixture", "unsung", "oracle ideal ratio mask")]
    assert places == sorted(places)


def test_what_was_dropped_is_the_models_own(run, tmp_path):
    scores = [row | {"silent_estimates": 2 * (row["system"] == "unsung"), "silent_frames": 0} for row in run.scores]
    text = report(run, tmp_path, scores=scores)
    assert "not scored: 2 silent estimate." in text


def test_names_cannot_break_the_report(run, tmp_path):
    scene = run.scenes()[0]
    odd = replace(scene, moment=replace(scene.moment, track="A | B <b>[c]"))
    text = report(run, tmp_path, scenes=[odd])
    assert "### A \\| B &lt;b&gt;\\[c\\]" in text and "<b>" not in text
