import json
import subprocess
import sys
import warnings

import av
import mir_eval
import numpy as np
import pytest

from tests.conftest import ROOT, SHARED
from unsung import scoring

RATE = 8000


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    truth = {"vocals": rng.standard_normal((5 * RATE, 2)), "accompaniment": rng.standard_normal((5 * RATE, 2))}
    found = {name: samples + 0.3 * rng.standard_normal(samples.shape) for name, samples in truth.items()}
    return ({n: s.astype(np.float32) for n, s in x.items()} for x in (truth, found))


def test_it_is_museval_to_the_last_digit(case):
    truth, found = case
    table = scoring.score(truth, found, RATE, 1.0, 64)
    expected = scoring.museval_metrics.bss_eval(
        *(np.stack(list(x.values())).astype(float) for x in (truth, found)), window=RATE, hop=RATE, filters_len=64
    )
    for measure, values in zip(scoring.MEASURES, expected, strict=False):
        np.testing.assert_array_equal(table[measure], values.ravel())
    assert list(table["source"].unique()) == ["vocals", "accompaniment"]
    assert table["start"].max() == 4.0


def test_whole_tracks_are_scored_as_mir_eval_does(case):
    """The literature's BSSEval v3; mir_eval knows one channel only."""
    truth, found = ({name: samples[:, :1] for name, samples in x.items()} for x in case)
    table = scoring.score_whole(truth, found, 512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated there, and nowhere else
        expected = mir_eval.separation.bss_eval_sources(
            *(np.stack([samples[:, 0] for samples in x.values()]).astype(float) for x in (truth, found)), compute_permutation=False
        )
    for measure, values in zip(scoring.WHOLE, expected, strict=False):
        np.testing.assert_allclose(table[measure], values, atol=1e-6)


def test_a_whole_track_without_a_source_has_no_score_and_a_silent_estimate_has_a_bad_one(case):
    truth, found = case
    assert scoring.score_whole({**truth, "vocals": 0 * truth["vocals"]}, found, 32)["sdr"].isna().all()
    silent = scoring.score_whole(truth, {**found, "vocals": 0 * found["vocals"]}, 32).set_index("source")
    assert silent.loc["vocals", "sdr"] < 0 < silent.loc["accompaniment", "sdr"]


def test_sdr_needs_no_filter(case):
    truth, found = case
    table = scoring.score(truth, found, RATE, 1.0, 64)
    for source in truth:
        expected = table[table["source"] == source]["sdr"]
        np.testing.assert_allclose(scoring.framewise_sdr(truth[source], found[source], RATE), expected, atol=1e-6)


def test_frames_with_a_silent_reference_are_counted_and_have_no_score(case):
    truth, found = case
    truth["vocals"][RATE : 3 * RATE] = 0
    table = scoring.score(truth, found, RATE, 1.0, 64)
    assert table["silent"].tolist() == [False, True, True, False, False] * 2
    assert table["sdr"].isna().tolist() == table["silent"].tolist()


def test_a_silent_estimate_cannot_improve_the_score(case):
    truth, found = case
    good = scoring.score(truth, found, RATE, 1.0, 64)
    found["vocals"][RATE : 2 * RATE] = 0
    table = scoring.score(truth, found, RATE, 1.0, 64)
    assert not table["sdr"].isna().any()
    frame = table[(table["source"] == "vocals") & (table["frame"] == 1)].iloc[0]
    assert frame["sdr"] == pytest.approx(0, abs=1e-3)
    assert table["sdr"].median() <= good["sdr"].median()


def test_an_estimate_that_is_silent_throughout_is_scored(case):
    truth, found = case
    found["vocals"][:] = 0
    table = scoring.score(truth, found, RATE, 1.0, 64)
    np.testing.assert_allclose(table[table["source"] == "vocals"]["sdr"], 0, atol=1e-3)


def test_a_reference_that_is_silent_throughout_is_reported_and_not_raised(case):
    truth, found = case
    truth["vocals"][:] = 0
    table = scoring.score(truth, found, RATE, 1.0, 64)
    assert table["silent"].all() and table["sdr"].isna().all()


def test_channels_that_cancel_out_are_silence_as_museval_has_it(case):
    truth, found = case
    truth["vocals"][RATE : 2 * RATE, 1] = -truth["vocals"][RATE : 2 * RATE, 0]
    table = scoring.score(truth, found, RATE, 1.0, 64)
    assert table["silent"].tolist() == table["sdr"].isna().tolist() == [False, True, False, False, False] * 2
    truth["vocals"][:, 1] = -truth["vocals"][:, 0]
    assert scoring.score(truth, found, RATE, 1.0, 64)["silent"].all()


def test_a_track_shorter_than_a_window_has_one_frame(case):
    truth, found = ({name: samples[: RATE // 2] for name, samples in x.items()} for x in case)
    table = scoring.score(truth, found, RATE, 1.0, 64)
    assert len(table) == 2 and table["sdr"].notna().all()


def test_the_scores_that_musevals_own_test_expects():
    """A real excerpt of MUSDB18, the random estimates of museval's regression test, and the JSON it compares with."""
    expected = SHARED / "musdb18_excerpts" / "Music Delta - 80s Rock.json"
    if not expected.exists():
        pytest.skip(f"{expected} is not here")
    stems = [read_stem(expected.with_suffix(".stem.mp4"), number) for number in range(5)]  # mixture drums bass other vocals
    references = {"vocals": stems[4], "accompaniment": stems[1] + stems[2] + stems[3]}
    rng = np.random.RandomState(0)
    estimates = {name: rng.random_sample(stems[0].shape) for name in references}
    table = scoring.score(references, estimates, 44_100, 1.0, 512)
    for target in json.loads(expected.read_text())["targets"]:
        rows = table[table["source"] == target["name"]]
        for measure in scoring.MEASURES:
            values = [frame["metrics"][measure.upper()] for frame in target["frames"]]
            np.testing.assert_allclose(rows[measure], values, atol=0.1)  # ISR differs by 0.05: another AAC decoder


def read_stem(path, number):
    """One stream of a stem file as 16 bit, as stempeg reads it."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16p")
        frames = [f.to_ndarray().T for frame in container.decode(audio=number) for f in resampler.resample(frame)]
    return np.concatenate(frames) / 2**15


def test_scoring_needs_no_ffmpeg():
    """museval's own import fails without the ffmpeg and ffprobe programs; ours does not ask for them."""
    code = "from unsung.scoring import museval_metrics as m; import sys; assert m.bss_eval and 'stempeg' not in sys.modules"
    environment = {"PATH": "", "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
