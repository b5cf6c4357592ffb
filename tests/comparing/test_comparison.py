"""Revisions of a scratch repository that has only what a comparison reads."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from tests.test_cli import unsung
from unsung.cli import app
from unsung.comparing.comment import as_markdown, bars, plain, write_pictures
from unsung.comparing.comparison import Comparison
from unsung.comparing.revisions import Revision, flat
from unsung.errors import UserError
from unsung.files import portable

NAMES = [f"Artist - Song {number}" for number in range(8)]
BASE = np.array([5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0])
PARAMS = {
    "seed": 0,
    "model": {"targets": ["vocals"]},
    "train": {"steps": 10},
    "evaluate": {"window_seconds": 1.0, "filter_taps": 512, "engine": "unsung", "silent_estimates": "scored"},
    "compute": {"workers": 2},
}
HASHES = {
    "data/stems/train": "1",
    "data/stems/valid": "2",
    "data/stems/test": "3",
    "models/best": "4",
    "src/unsung/scoring/scorer.py": "5",
}


class History:
    """A repository in which each state of a run is a commit."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "t@t")
        self.git("config", "user.name", "t")

    def git(self, *arguments):
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def write(self, sdrs, params=None, hashes=None, names=NAMES, picture=b"\xff\xd8before"):
        for name in ("metrics", "reports/figures"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        metrics = {"vocals": {"sdr": float(np.nanmedian(sdrs)), "isr": 9.0}, "counts": {"tracks": len(names)}}
        (self.folder / "metrics/separation.json").write_text(json.dumps(metrics))
        pd.DataFrame({"track": names, "vocals_sdr": sdrs}).to_csv(self.folder / "reports/tracks.csv", index=False)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params or PARAMS))
        deps = [{"path": path, "md5": md5} for path, md5 in (HASHES | (hashes or {})).items()]
        ran = {"params.yaml": {"train.steps": (params or PARAMS)["train"]["steps"], "model": (params or PARAMS)["model"]}}
        stage = {"cmd": "x", "deps": deps, "params": ran}
        (self.folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"evaluate": stage}}))
        for name in names[:3]:
            (self.folder / "reports/figures" / f"{portable(name)}.jpg").write_bytes(picture)

    def commit(self, *arguments, **more):
        self.write(*arguments, **more)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "state")


@pytest.fixture
def history(tmp_path, monkeypatch):
    found = History(tmp_path)
    monkeypatch.chdir(tmp_path)
    found.commit(BASE)
    found.git("tag", "base")
    return found


def compared(head=None, metric="vocals.sdr"):
    return Comparison(Revision.of("base"), Revision.of(head), metric)


def run(*arguments):
    """The command, in this process."""
    return CliRunner().invoke(app, ["compare", *arguments])


@pytest.mark.parametrize(("sign", "verdict", "word"), [(1, "better", "Really better"), (-1, "worse", "Really worse")])
def test_a_change_of_all_tracks_is_real(history, sign, verdict, word):
    history.commit(BASE + sign * np.linspace(0.2, 0.9, 8))
    found = compared("main")
    assert found.verdict == verdict and word in plain(found)
    assert found.pairs["difference"].abs().max() == pytest.approx(0.9)
    low, high = found.interval
    assert min(abs(low), abs(high)) > 0.2 and found.sign_test == pytest.approx(2 / 2**8)


def test_what_tracks_disagree_on_is_noise(history):
    history.commit(BASE + np.array([2.0, -1.0, 0.5, -0.5, 1.0, -2.0, 0.3, -0.1]))
    found = compared("main")
    assert found.verdict == "noise" and "Within noise" in as_markdown(found)
    assert "too few" not in as_markdown(found) and "4 of 8 tracks got better" in as_markdown(found)


def test_one_outlier_is_not_enough(history):
    history.commit(BASE + np.array([0.0, 0, 0, 0, 0, 0, 0, 40.0]))
    assert compared("main").verdict == "noise"


def test_few_tracks_cannot_tell(history):
    history.commit(BASE[:5], names=NAMES[:5])
    history.git("tag", "-f", "base")
    history.commit(BASE[:5] + 3, names=NAMES[:5])
    assert compared("main").verdict == "noise" and "5 tracks are too few to tell" in plain(compared("main"))


def test_nothing_changed(history):
    assert compared().verdict == "same" and "No change" in plain(compared())
    assert "No track got worse" in as_markdown(compared())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hashes": {"data/stems/test": "9"}}, "test tracks are other ones"),
        ({"names": [*NAMES[:7], "Another"]}, "names of the test tracks differ"),
        ({"params": PARAMS | {"evaluate": PARAMS["evaluate"] | {"window_seconds": 2.0}}}, "evaluate.window_seconds changed"),
        ({"params": PARAMS | {"model": {"targets": ["vocals", "drums"]}}}, "model.targets changed"),
    ],
)
def test_what_cannot_be_compared_is_not_judged(history, changes, words):
    history.commit(BASE - 5, **changes)
    found = compared("main")
    assert found.verdict == "not comparable" and words in as_markdown(found)
    assert words in plain(found) and "All 8 tracks" not in as_markdown(found) and found.pictured() == []
    done = run("base", "main", "--fail-below", "-0.3")
    assert done.exit_code == 0 and "judged nothing" in done.stderr
    done = run("base", "main", "--fail-below", "-0.3", "--anyway", "--md")
    assert done.exit_code == 3 and "worse by more than 0.3 dB" in done.stdout and "judged nothing" not in done.stderr


def test_a_base_without_a_run_is_no_error(history):
    history.git("rm", "-q", "-r", "metrics", "reports")
    history.git("commit", "-q", "-m", "none")
    history.git("tag", "-f", "base")
    history.commit(BASE)
    done = run("base", "main", "--md", "--fail-below", "-0.3")
    assert done.exit_code == 0 and "base has no vocals.sdr (metrics/separation.json)" in done.stdout
    assert "-> 8.50 dB" in done.stdout and "| vocals.sdr | - | 8.50 | - |" in done.stdout


def test_params_that_were_not_run_are_not_judged(history):
    history.commit(BASE)
    (history.folder / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"train": {"steps": 99}}))
    found = compared()
    assert found.verdict == "not comparable" and "the workspace was not run with its params (train.steps)" in plain(found)


def test_a_distance_is_better_the_smaller_it_is(history):
    for folder, scale in (("base", 1.0), ("main", 1.5)):
        history.write(BASE)
        table = pd.DataFrame({"track": NAMES, "vocals_sdr": BASE, "vocals_stft_distance": BASE * scale})
        table["vocals_global_sdr"] = BASE * scale
        table.to_csv(history.folder / "reports/tracks.csv", index=False)
        metrics = {"vocals": {"sdr": 8.5, "stft_distance": 8.5 * scale, "usdr": 8.5 * scale, "gnsdr": 1.0}}
        (history.folder / "metrics/separation.json").write_text(json.dumps(metrics))
        history.git("add", "-A")
        history.git("commit", "-q", "--allow-empty", "-m", folder)
        history.git("tag", "-f", "base") if folder == "base" else None
    found = compared("main", "vocals.stft_distance")
    assert (
        found.verdict == "worse" and found.fell_below(-0.3) and len(found.worse) == 8 and " dB" not in plain(found).split("\n")[0]
    )
    assert found.worse["difference"].is_monotonic_decreasing
    found = compared("main", "vocals.usdr")
    assert found.verdict == "better" and not found.fell_below(-0.3)
    with pytest.raises(UserError, match=r"vocals.gnsdr is not among the scores .*vocals.sdr, .*vocals.usdr"):
        compared("main", "vocals.gnsdr")


def test_a_change_too_small_to_hear_is_not_real(history):
    history.commit(BASE + 1e-3)
    assert compared("main").verdict == "noise" and "does not matter" in plain(compared("main"))


def test_names_cannot_break_the_comment(history):
    names = ["001", "NA", "A | B <b>x</b>", "C `d` <!-- e", "[f](g)", *NAMES[5:]]
    history.commit(BASE, names=names)
    history.git("tag", "-f", "base")
    history.commit(BASE - 1, names=names, params=PARAMS | {"seed": "a|b\nc"})
    found = compared("main")
    assert set(found.pairs["track"]) == set(names)
    text = as_markdown(found, repository="https://github.com/o/n")
    assert "<b>" not in text, [line for line in text.splitlines() if "<b>" in line]
    assert "<!--" not in text and "A \\| B &lt;b&gt;" in text and "<code>a&#124;b c</code>" in text
    for line in text.splitlines():
        if line.startswith("| ") and "B &lt;" in line:
            assert line.replace("\\|", "").count("|") in (3, 5, 6)


def test_many_tracks_are_a_chart_and_a_comment_of_a_size(history, tmp_path):
    many, sdrs = [f"A track with a long name {number:03d}" for number in range(500)], np.linspace(0, 9, 500)
    history.commit(sdrs, names=many)
    history.git("tag", "-f", "base")
    history.commit(sdrs + np.linspace(-1, 1, 500), names=many)
    found = compared("main")
    assert len(as_markdown(found)) < 12_000 and "The 40 of 500 tracks that changed most" in as_markdown(found)
    write_pictures(found, tmp_path / "pictures")
    with Image.open(tmp_path / "pictures" / "differences.png") as image:
        assert image.height < 1500


def test_other_training_data_and_another_engine_can_be_compared(history):
    params = PARAMS | {"evaluate": PARAMS["evaluate"] | {"engine": "museval"}}
    history.commit(BASE + 1, hashes={"data/stems/train": "9", "models/best": "8"}, params=params)
    found = compared("main")
    assert found.verdict == "better" and found.data == ["train"] and found.changed("models/best")
    text = as_markdown(found)
    assert "| data | train |" in text and "| weights | yes |" in text and "| `evaluate.engine` | `unsung` | `museval` |" in text


def test_other_code_that_scores_is_mentioned(history):
    history.commit(BASE + 1, hashes={"src/unsung/scoring/scorer.py": "6"})
    assert any("src/unsung/scoring/scorer.py" in remark for remark in compared("main").remarks)
    history.commit(BASE + 1)
    assert compared("main").remarks == []


def test_params_that_change_no_result_do_not_count(history):
    history.commit(BASE, params=PARAMS | {"compute": {"workers": 9}, "train": {"steps": 20}})
    assert compared("main").changes("params").values.tolist() == [["train.steps", 10, 20]]


def test_tracks_without_a_score_are_left_out_unless_it_was_lost(history):
    some = np.where(np.arange(8) == 3, np.nan, BASE)
    history.commit(some)
    assert (
        "1 track(s) have a score in only one of the two" in plain(compared("main")) and compared("main").verdict == "not comparable"
    )
    history.git("tag", "-f", "base")
    history.commit(some + 1)
    assert compared("main").verdict == "better" and len(compared("main").pairs) == 7


def test_a_fall_beyond_the_threshold_exits_with_3(history):
    history.commit(BASE - 0.4)
    done = run("base", "main", "--fail-below", "-0.3", "--md")
    assert done.exit_code == 3 and "worse by 0.40" in done.stderr and "worse by more than 0.3 dB" in done.stdout
    assert run("base", "main", "--fail-below", "-0.5").exit_code == 0
    assert run("base", "main").exit_code == 0
    assert run("main", "base", "--fail-below", "-0.3").exit_code == 0  # it rose


def test_the_workspace_is_the_head_unless_one_is_given(history):
    history.write(BASE + 2)
    assert "the workspace" in run("base", "--md").stdout and "7.50" not in run("base").stdout
    assert compared().pairs["head"].max() == 14.0
    assert "No change" in run("base", "HEAD").stdout


def test_the_comment_lists_what_got_worse_worst_first(history):
    history.commit(BASE + np.array([1.0, -0.5, 1, 1, 1, -2.0, 1, 1]))
    text = as_markdown(compared("main"))
    assert text.startswith("## Really better") or text.startswith("## Within noise")
    part = text[text.index("### 2 track(s) got worse") : text.index("All 8 tracks")]
    assert part.index("Song 5") < part.index("Song 1") and "Song 0" not in part
    assert "All 8 tracks" in text and "\u25bc" * 10 in text


def test_pictures_are_written_or_linked(history, tmp_path):
    history.commit(BASE - np.array([0.1, 3.0, 0.2, 4, 0.1, 0.1, 0.1, 0.1]), picture=b"\xff\xd8after")
    found = compared("main")
    assert found.pictured() == ["Artist - Song 1", "Artist - Song 2"]  # song 3 lost more, and has no picture
    write_pictures(found, tmp_path / "pictures")
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {
        "differences.png",
        *(f"{portable(f'Artist - Song {n}')}-{side}.jpg" for n in (1, 2) for side in ("base", "head")),
    }
    assert (tmp_path / "pictures" / f"{portable('Artist - Song 1')}-head.jpg").read_bytes() == b"\xff\xd8after"
    assert (tmp_path / "pictures" / "differences.png").read_bytes().startswith(b"\x89PNG")
    text = as_markdown(found, tmp_path / "pictures")
    assert all(f"{tmp_path}/pictures/{name}" in text for name in names)
    linked = as_markdown(found, repository="https://github.com/o/n")
    sha = Revision.of("main").sha
    assert f"https://github.com/o/n/blob/{sha}/reports/figures/{portable('Artist - Song 1')}.jpg?raw=true" in linked
    assert "![" not in as_markdown(found)


def test_what_cannot_be_read_is_one_line(history):
    for name in ("nonsense", "--output=x"):
        with pytest.raises(UserError, match=f"git knows no revision '{name}'"):
            Revision.of(name)
    with pytest.raises(UserError, match=r"vocals.xyz is not among the scores of main"):
        plain(compared("main", "vocals.xyz"))
    history.git("rm", "-q", "-r", "reports")
    history.git("commit", "-q", "-m", "none")
    with pytest.raises(UserError, match=r"reports/tracks.csv is not in main; run dvc repro"):
        plain(compared("main"))
    for broken in ("<<<<<<< HEAD\na: 1\n=======\n", "- 1\n", "schema: '2.0'\n"):
        history.write(BASE)
        (history.folder / "dvc.lock").write_text(broken)
        if "schema" in broken:
            assert compared().verdict == "not comparable"  # nothing says that the test tracks are the same
        else:
            with pytest.raises(UserError, match=r"dvc.lock of the workspace"):
                plain(compared())
    done = unsung("compare", "nonsense", cwd=history.folder)
    assert done.returncode == 1 and done.stderr.startswith("unsung: git knows no revision") and done.stderr.count("\n") == 1


def test_another_target_is_judged_if_it_comes_first(history):
    history.commit(BASE, params=PARAMS | {"model": {"targets": ["drums"]}})
    assert "drums.sdr is not among the scores" in run("main").stderr
    assert "Not comparable" in run("base", "main", "--metric", "vocals.sdr").stdout


def test_bars_are_as_long_as_the_differences():
    assert bars([2.0, -1.0, 0.01, 0.0]) == ["\u25b2" * 10, "\u25bc" * 5, "\u25b2", "="]
    assert bars([]) == []


def test_flat():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
