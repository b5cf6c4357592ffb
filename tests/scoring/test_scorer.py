import os
import platform
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from unsung.config.schema import Evaluate
from unsung.scoring import scorer
from unsung.scoring.scorer import MEASURES, SOURCES, Scorer

RATE = 8000
ENGINES = ("unsung", "museval")


def settings(engine="unsung", silent="scored", taps=64):
    return Evaluate(window_seconds=1.0, filter_taps=taps, engine=engine, silent_estimates=silent)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    references = {"vocals": rng.standard_normal((5 * RATE, 2)), "accompaniment": rng.standard_normal((5 * RATE, 2))}
    estimates = {name: samples + 0.3 * rng.standard_normal(samples.shape) for name, samples in references.items()}
    return ({n: s.astype(np.float32) for n, s in x.items()} for x in (references, estimates))


def test_both_engines_give_the_same_tables(case):
    references, estimates = case
    references["vocals"][RATE : 2 * RATE], estimates["accompaniment"][3 * RATE : 4 * RATE] = 0, 0
    for silent in ("scored", "dropped"):
        mine, his = (Scorer(references, RATE, settings(engine, silent)) for engine in ENGINES)
        for method, columns in (("frames", MEASURES), ("whole", SOURCES)):
            ours, theirs = (pd.DataFrame(getattr(scorer, method)(estimates)) for scorer in (mine, his))
            assert ours.drop(columns=list(columns)).equals(theirs.drop(columns=list(columns)))
            np.testing.assert_allclose(ours[list(columns)], theirs[list(columns)], atol=1e-6)


def test_the_frames_have_their_places(case):
    references, estimates = case
    table = pd.DataFrame(Scorer(references, RATE, settings()).frames(estimates))
    assert list(table["source"].unique()) == ["vocals", "accompaniment"]
    assert table["start"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] * 2 and (table["dropped"] == "").all()


@pytest.mark.parametrize("engine", ENGINES)
def test_estimates_of_some_sources_are_scored_against_all(case, engine):
    references, estimates = case
    whole, part = (Scorer(references, RATE, settings(engine)) for _ in range(2))
    first = {"vocals": estimates["vocals"]}
    for method in ("frames", "whole"):
        expected = getattr(whole, method)(estimates)
        mine = getattr(part, method)(first)
        assert mine == [row for row in expected if row["source"] == "vocals"]


def test_frames_with_a_silent_reference_are_counted_and_have_no_score(case):
    references, estimates = case
    references["vocals"][RATE : 3 * RATE] = 0
    table = pd.DataFrame(Scorer(references, RATE, settings()).frames(estimates))
    assert (table["dropped"] == "silent reference").tolist() == [False, True, True, False, False] * 2
    assert table["sdr"].isna().tolist() == (table["dropped"] != "").tolist()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_silent_estimate_cannot_improve_the_score_unless_wanted(case, engine):
    references, estimates = case
    good = pd.DataFrame(Scorer(references, RATE, settings(engine)).frames(estimates))
    estimates["vocals"][RATE : 2 * RATE] = 0
    table = pd.DataFrame(Scorer(references, RATE, settings(engine)).frames(estimates))
    assert not table["sdr"].isna().any()
    frame = table[(table["source"] == "vocals") & (table["frame"] == 1)].iloc[0]
    assert frame["sdr"] == pytest.approx(0, abs=1e-3)
    assert table["sdr"].median() <= good["sdr"].median()
    table = pd.DataFrame(Scorer(references, RATE, settings(engine, "dropped")).frames(estimates))
    assert (
        (table["dropped"] == "silent estimate").tolist() == table["sdr"].isna().tolist() == [False, True, False, False, False] * 2
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_source_that_is_silent_throughout_is_reported_and_not_raised(case, engine):
    references, estimates = case
    estimates["vocals"][:] = 0
    table = pd.DataFrame(Scorer(references, RATE, settings(engine)).frames(estimates))
    np.testing.assert_allclose(table[table["source"] == "vocals"]["sdr"], 0, atol=1e-3)
    silence = Scorer(references, RATE, settings(engine)).whole(estimates)[0]
    assert silence["v3_sdr"] < 0 and silence["si_sdr"] == -np.inf and silence["global_sdr"] == 0
    dropping = Scorer(references, RATE, settings(engine, "dropped"))
    assert {row["dropped"] for row in dropping.frames(estimates)} == {"silent estimate"}
    assert np.isnan([row["v3_sdr"] for row in dropping.whole(estimates)]).all()
    references["vocals"][:] = 0
    scorer = Scorer(references, RATE, settings(engine))
    assert all(row["dropped"] == "silent reference" and np.isnan(row["sdr"]) for row in scorer.frames(estimates))
    vocals, accompaniment = scorer.whole(estimates)
    assert np.isnan([vocals["v3_sdr"], accompaniment["v3_sdr"], vocals["si_sdr"]]).all() and accompaniment["si_sdr"] > 5


def test_a_track_shorter_than_a_window_has_one_frame(case):
    references, estimates = ({name: samples[: RATE // 2] for name, samples in x.items()} for x in case)
    table = pd.DataFrame(Scorer(references, RATE, settings()).frames(estimates))
    assert len(table) == 2 and table["sdr"].notna().all()


def test_an_empty_band_is_said_to_be_one(case):
    references, estimates = case
    assert not any(row["ill_posed"] for row in Scorer(references, RATE, settings(taps=512)).whole(estimates))
    spectra = {name: np.fft.rfft(samples, axis=0) for name, samples in references.items()}
    for spectrum in spectra.values():
        spectrum[len(spectrum) // 2 :] = 0
    empty = {name: np.fft.irfft(spectrum, axis=0) for name, spectrum in spectra.items()}
    assert all(row["ill_posed"] for row in Scorer(empty, RATE, settings(taps=512)).whole(estimates))


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code path is one of x86-64")
def test_the_stage_that_scores_takes_the_same_code_path_on_every_machine(tmp_path):
    """Whatever the processor, and before any library has chosen its own; workers inherit it."""
    code = (
        "import runpy\n"
        "try: runpy.run_module('stages.evaluate', run_name='__main__')\n"
        "except SystemExit: pass\n"  # there is no params.yaml here
        "import numpy, threadpoolctl\n"
        "from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__\n"
        "assert not [name for name in __cpu_dispatch__ if __cpu_features__[name]]\n"
        "found = [each['architecture'] for each in threadpoolctl.threadpool_info() if each['internal_api'] == 'openblas']\n"
        "assert found and set(found) == {'Nehalem'}, found"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")}
    clean["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_scoring_needs_no_ffmpeg():
    """`import museval` fails without the programs ffmpeg and ffprobe; ours needs neither."""
    code = "from unsung.scoring.scorer import museval_metrics as m; import sys; assert m() and 'stempeg' not in sys.modules"
    environment = {"PATH": "", "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_noise_is_given_to_silent_windows_only(case):
    _, estimates = case
    estimates = np.stack(list(estimates.values()))
    estimates[0, RATE : 2 * RATE] = 0
    given = np.stack(scorer.audible(list(estimates), RATE))
    changed = (given != estimates).any(axis=2)
    assert changed[0, RATE : 2 * RATE].all() and changed.sum() == RATE
    assert 0 < np.abs(given[0, RATE : 2 * RATE]).max() < 2**-23


def test_estimates_that_sound_are_left_as_they_are(case):
    """So that both versions of BSSEval share their filters."""
    _, estimates = case
    signals = list(estimates.values())
    assert scorer.audible(signals, RATE) is signals


def test_the_filters_are_found_once_for_both_versions(case, monkeypatch):
    references, estimates = case
    found = []
    fits = scorer.BSSEval.fits
    monkeypatch.setattr(scorer.BSSEval, "fits", lambda *arguments: found.append(1) or fits(*arguments))
    frames, whole = Scorer(references, RATE, settings()).tables({"estimates": estimates}, "A - B")
    assert len(found) == 1
    apart = Scorer(references, RATE, settings())
    names = {"track": "A - B", "system": "estimates"}
    assert frames == [row | names for row in apart.frames(estimates)]
    assert whole == [row | names for row in apart.whole(estimates)]
