"""The whole graph as a user runs it: a copy of the checkout, a tiny demo, and dvc."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from recipes.songs.recipe import Recipe
from tests import forks
from tests.conftest import ROOT, song, write_song
from tests.data.providers import write_pool
from unsung.scoring.aggregate import COUNTS

STAGES = ["download", "resample", "shard", "train", "sweep", "separate", "evaluate", "report"]
SMALL = {
    "  train: 40 ": "  train: 3 ",
    "  valid: 6 ": "  valid: 1 ",
    "  test: 6 ": "  test: 2 ",
    "  seconds: 20.0 ": "  seconds: 5.0 ",
    "  sample_rate: 22050 ": "  sample_rate: 8000 ",
    "  n_fft: 1024 ": "  n_fft: 256 ",
    "  hop_length: 256 ": "  hop_length: 64 ",
    "  dim: 32 ": "  dim: 8 ",
    "  blocks: 2 ": "  blocks: 1 ",
    "  steps: 1800 ": "  steps: 4 ",
    "  valid_every: 300 ": "  valid_every: 2 ",
    "  filter_taps: 512 ": "  filter_taps: 32 ",
    "  workers: 2 ": "  workers: 1 ",  # processes of their own have their own tests, and take seconds to start
    "  loader_workers: 1 ": "  loader_workers: 0 ",
    "  clip_seconds: 6.0 ": "  clip_seconds: 2.0 ",
}


LEFT_OUT = ("tests/", "metrics/", "reports/", "dvc.lock", "restyle/")  # the last is the other pipeline: tests/restyle


class Repository:
    """A clone with small params, in which commands run as in a terminal."""

    programs: Path | None = None  # a folder that comes first on the path

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = self.run("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard").stdout
        for name in listed.split("\n"):
            if name and (ROOT / name).is_file() and not name.startswith(LEFT_OUT):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        text = (folder / "params.yaml").read_text()
        for old, new in SMALL.items():
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / "params.yaml").write_text(text)
        self.run("git", "init", "-q", "-b", "main")
        self.commit()

    def run(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command with the tests' Python first on the path, or what stands in for it."""
        path = os.pathsep.join([*map(str, filter(None, [self.programs])), str(Path(sys.executable).parent), os.environ["PATH"]])
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTEST", "PYTHONPATH", "DVC_"))}
        names = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
        environment = {**keep, **names, "PATH": path, "DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done

    def stages_run(self, *command: str) -> list[str]:
        """Run a dvc command; the stages that ran and were not restored, in the order of STAGES.

        DVC may take sweep and separate in either order, because neither needs the other.
        """
        ran = re.findall(r"^Running stage '(\w+)'", self.run("dvc", *command).stdout, re.MULTILINE)
        return sorted(ran, key=STAGES.index)

    def commit(self) -> None:
        """Commit everything."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", "state")

    def metrics(self) -> dict[str, dict[str, float]]:
        """metrics/separation.json."""
        return json.loads((self.folder / "metrics" / "separation.json").read_text())


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The demo's pipeline, run as a user runs it, and committed; what comes later runs as forks."""
    found = Repository(tmp_path_factory.mktemp("clone"))
    assert found.stages_run("repro") == STAGES
    found.commit()
    with forks.scripts(tmp_path_factory.mktemp("programs"), "dvc", "python", "unsung") as found.programs:
        yield found


def test_everything_is_there(repository):
    for name in (
        "metrics/separation.json",
        "reports/report.md",
        "reports/listen.html",
        "reports/calls.csv",
        "reports/tracks.csv",
        "reports/curve.csv",
        "models/best/config.json",
    ):
        assert (repository.folder / name).is_file(), name
    metrics = repository.metrics()
    assert set(metrics) == {"vocals", "accompaniment", "counts"}
    assert {"sdr", "isr", "sir", "sar"} < set(metrics["vocals"])
    assert metrics["counts"]["tracks"] == 2
    assert len(list((repository.folder / "reports" / "figures").iterdir())) == 2
    assert {"track", "vocals_sdr", "vocals_sdr_of_mixture"} < set(pd.read_csv(repository.folder / "reports" / "tracks.csv"))
    assert not [path for path in (repository.folder / ".scratch").glob("*/*") if path.is_dir()]


def test_again_nothing_runs_and_the_lock_is_current(repository):
    assert repository.stages_run("repro") == []
    assert repository.stages_run("repro", "--dry", "--allow-missing") == []
    assert repository.run("git", "status", "--porcelain").stdout == ""


def test_what_was_separated_adds_up(repository):
    folder = next((repository.folder / "data" / "separated").iterdir())
    parts = [soundfile.read(path, dtype="int32")[0].astype(int) for path in folder.iterdir()]
    mixture = soundfile.read(repository.folder / "data" / "stems" / "test" / folder.name / "mixture.flac", dtype="int32")[0]
    assert len(parts) == 2 and (sum(parts) == mixture).all()


def test_what_was_separated_has_the_same_scores_for_anybody(repository):
    command = [
        "unsung",
        "score",
        "data/stems/test",
        "data/separated",
        "--json",
        "scores.json",
        "--taps",
        "32",
        "--mixture",
        "--workers",
        "1",
    ]
    repository.run(*command, "--silent-estimates", "scored")
    rows = json.loads((repository.folder / "scores.json").read_text())["summary"]
    mine = {row["source"]: row for row in rows if row["system"] == "estimates"}
    for source, scores in repository.metrics().items():
        for measure in set(scores) & set(mine.get(source, {})) - set(COUNTS):
            assert mine[source][measure] == pytest.approx(scores[measure], abs=2e-4), (source, measure)
    assert {"sdr", "sir", "usdr", "gnsdr"} < set(mine["vocals"])
    (repository.folder / "scores.json").unlink()


def test_a_sampling_param_reruns_the_end_a_network_param_retrains_and_going_back_restores(repository):
    before = repository.metrics()
    assert repository.stages_run("exp", "run", "-S", "processes.bridge.calls=3") == STAGES[4:]
    assert repository.metrics() != before
    text = repository.run("unsung", "compare", "HEAD", "--md", "--pictures", "out/pictures").stdout
    assert "| `processes.bridge.calls` | `1` | `3` |" in text and "| vocals.sdr |" in text and "too few to tell" in text
    assert "| weights | no |" in text and "| data | no |" in text
    assert (repository.folder / "out" / "pictures" / "differences.png").is_file()
    assert repository.stages_run("exp", "run", "-S", "processes.bridge.calls=1", "-S", "networks.band_split.dim=12") == STAGES[3:]
    assert repository.metrics() != before
    assert repository.stages_run("exp", "run", "-S", "networks.band_split.dim=8") == ["report"]
    assert repository.metrics() == before
    assert repository.run("git", "status", "--porcelain", "metrics", "reports", "dvc.lock").stdout == ""
    shown = repository.run("dvc", "exp", "show", "--csv").stdout
    assert "networks.band_split.dim" in shown and "vocals.sdr" in shown


def clone_of(repository, folder):
    repository.run("git", "clone", "-q", str(repository.folder), str(folder))
    clone = Repository.__new__(Repository)
    clone.folder, clone.programs = folder, repository.programs
    assert not (folder / "models").exists()
    return clone


def bytes_of(*places):
    return sum(path.stat().st_size for place in places for path in [place, *place.rglob("*")] if path.is_file())


def test_a_remote_gives_a_clone_models_scores_and_page_or_everything(repository, tmp_path):
    """What docs/data.md says of a shared folder: push, clone, pull, and nothing is left to run."""
    remote, folder = tmp_path / "remote", repository.folder
    repository.run("dvc", "remote", "add", "--default", "shared", str(remote))
    repository.run("git", "commit", "-q", "-am", "a remote")
    repository.run("dvc", "push")
    small = bytes_of(folder / "models", folder / "data" / "scores", folder / "reports" / "listen.html")
    assert 0 < bytes_of(remote) < small + 20_000  # and lists of files
    clone = clone_of(repository, tmp_path / "clone")
    clone.run("dvc", "pull", "--allow-missing")
    assert (clone.folder / "models" / "best" / "weights.safetensors").is_file()
    assert (clone.folder / "reports" / "listen.html").is_file()
    assert clone.stages_run("repro", "--allow-missing") == []
    assert clone.run("git", "status", "--porcelain").stdout == ""

    dvc_yaml = folder / "dvc.yaml"
    dvc_yaml.write_text(dvc_yaml.read_text().replace("push: false", "push: true"))
    repository.run("git", "commit", "-q", "-am", "push everything")
    repository.run("dvc", "push")
    assert bytes_of(remote) > small + bytes_of(folder / "data" / "stems", folder / "data" / "shards", folder / "data" / "separated")
    other = clone_of(repository, tmp_path / "other")
    other.run("dvc", "pull")
    assert other.stages_run("repro") == []
    repository.run("git", "revert", "--no-edit", "HEAD")


def test_plots_have_what_they_draw(repository):
    repository.run("dvc", "plots", "show", "--out", "plots")
    page = (repository.folder / "plots" / "index.html").read_text()
    for title in ("SDR of vocals (dB), track by track", "SDR on the validation tracks (dB) by network calls", "SDR while training"):
        assert title in page
    assert page.count("<img") == 2
    shutil.rmtree(repository.folder / "plots")


def test_a_folder_of_ones_own_goes_all_the_way(repository, tmp_path):
    for number in range(4):
        stems = song(number, 3.0, 16_000)
        both = {"vocals": stems["vocals"], "accompaniment": stems["drums"] + stems["other"]}
        write_song(tmp_path / "songs" / f"Song {number}", both, 16_000, "ogg")
    repository.run("dvc", "exp", "run", "-S", "data.provider=folder", "-S", f"data.root={tmp_path / 'songs'}")
    assert "`folder`" in (repository.folder / "reports" / "report.md").read_text()
    assert repository.metrics()["counts"]["tracks"] >= 1
    repository.run("git", "checkout", "-q", ".")
    repository.run("dvc", "checkout")


def test_the_preset_songs_goes_from_pools_to_shards(repository, tmp_path):
    """The recipe's pools, a track in each, and the songs that it composes to validate and test."""
    for pool in Recipe.load().pools:
        write_pool(tmp_path / pool.name, pool.kind)
    for split in ("valid", "test"):
        write_pool(tmp_path / f"composed_{split}", "songs", split)
    repository.run("unsung", "preset", "songs", "--root", str(tmp_path))
    small = ["audio.sample_rate=8000", "stft.n_fft=256", "stft.hop_length=64"]
    repository.run("dvc", "exp", "run", "shard", *(word for value in small for word in ("-S", value)))
    credits = (repository.folder / "data" / "raw" / "credits.csv").read_text()
    assert credits.count("of a test") == len(Recipe.load().pools) + 2
    repository.run("git", "checkout", "-q", ".")
    repository.run("dvc", "checkout")


def test_a_mix_prepares_its_parts_one_by_one(repository, tmp_path):
    write_pool(tmp_path / "pools" / "voices", "vocals")
    write_pool(tmp_path / "pools" / "bands", "accompaniment")
    params, parts = repository.folder / "params.yaml", f"parts: {{demo: songs, pools: {tmp_path / 'pools'}}}"
    new = {
        "provider: demo": "provider: mix",
        "root: songs": "root: data/parts",
        "parts: {}": parts,
        "shares: {}": "shares: {pools: 3.0}",
    }
    text = params.read_text()
    for old, value in new.items():
        text = text.replace(f"\n  {old}", f"\n  {value}", 1)
    params.write_text(text)
    ran = re.findall(r"^Running stage '([\w@]+)'", repository.run("dvc", "repro", "shard").stdout, re.MULTILINE)
    assert set(ran[:2]) == {"part@demo", "part@pools"} and ran[2:] == STAGES[:3]
    params.write_text(params.read_text().replace("pools: 3.0", "pools: 1.0"))
    assert "Running stage" not in repository.run("dvc", "repro", "shard").stdout
    write_pool(tmp_path / "pools" / "more", "vocals")
    again = repository.run("dvc", "repro", "download").stdout
    assert "Running stage 'part@pools'" in again and "Running stage 'part@demo'" not in again
    repository.run("git", "checkout", "-q", ".")
    repository.run("dvc", "checkout")


def test_a_wrong_param_is_one_line(repository):
    params = repository.folder / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("  hop_length: 64 ", "  hop: 64\n  hop_length: 64 ", 1))
    try:
        done = repository.run("dvc", "repro", "-f", "resample", fails=True)
        assert "unsung: stft.hop in params.yaml is not a parameter" in done.stderr and "Traceback" not in done.stderr
    finally:
        params.write_text(text)
