import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import ROOT, write_song
from tests.faults.runner import Done, Limits


def unsung(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would. It takes seconds to start; `run` is a fork instead."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); from unsung.cli import run; run()"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def run(runner, tmp_path):
    def run(*arguments: str) -> Done:
        return runner.run(arguments, tmp_path, Limits(), 60)

    return run


@pytest.fixture
def folder(separator, tmp_path):
    separator.save(tmp_path / "models" / "best")
    t = np.arange(3 * 44_100) / 44_100
    song = 0.3 * np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 550 * t)], axis=1)
    for extension in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(tmp_path / f"{extension} song.{extension}", song, 44_100)
    return tmp_path


def test_songs_of_every_kind_are_separated_and_add_up(folder):
    songs = [folder / f"{extension} song.{extension}" for extension in ("wav", "flac", "ogg", "mp3")]
    done = unsung("separate", *songs, "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    for song in songs:
        files = {path.stem: path for path in (folder / "out" / song.stem).iterdir()}
        assert set(files) == {"vocals", "accompaniment"}
        parts = {name: soundfile.read(path, dtype="int32", always_2d=True) for name, path in files.items()}
        whole = np.rint(soundfile.read(song, always_2d=True, dtype="float32")[0].astype(float) * 2**23)
        assert all(rate == 44_100 for _, rate in parts.values())
        np.testing.assert_array_equal(sum(samples.astype(np.int64) >> 8 for samples, _ in parts.values()), whole)


def test_bad_input_is_one_line_and_exit_code_1(folder):
    """In a fresh process; tests/faults has the other cases."""
    done = unsung("separate", "nowhere.mp3", cwd=folder)
    assert done.returncode == 1 and done.stderr == "unsung: nowhere.mp3 is not a file; mend the path\n"


def test_version_and_help(tmp_path):
    assert unsung("--version", cwd=tmp_path).stdout.startswith("unsung ")
    assert "separate" in unsung("--help", cwd=tmp_path).stdout


def test_a_preset_is_written_and_taken_back(run, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shown = run("preset", "mir1k", "--root", "/data/mir1k").out
    assert "-  sample_rate: 22050        # Hz" in shown and "+  root: /data/mir1k" in shown
    run("preset", "demo")
    assert (tmp_path / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_a_model_is_exported(run, folder):
    done = run("export", "models/best")
    assert done.code == 0 and done.out.strip() == "best.onnx" and (folder / "best.onnx").stat().st_size > 1000, done.err
    done = run("export", "models/best", "--format", "torchscript", "--part", "call", "-o", "a/call.pt")
    assert done.out.strip() == "a/call.pt" and (folder / "a" / "call.pt").exists()
    done = run("export", "models/best", "--part", "call", "-o", "a")
    assert done.out.strip() == "a/best-call.onnx" and (folder / "a" / "best-call.onnx").exists()


def test_a_folder_of_estimates_is_scored(run, tmp_path):
    rng = np.random.default_rng(0)
    stems = {name: 0.1 * rng.standard_normal((16_000, 1)) for name in ("vocals", "accompaniment")}
    for side, gain in (("references", 1.0), ("estimates", 0.5)):
        write_song(tmp_path / side / "A - B", {name: gain * samples for name, samples in stems.items()}, 8000)
    done = run("score", "references", "estimates", "--json", "scores.json", "--taps", "32", "--mixture", "--workers", "1")
    assert done.code == 0 and "score: 100%" in done.err
    assert "| estimates | vocals | 6.02 |" in done.out  # an error of half the signal
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {target["name"] for target in found["tracks"][0]["targets"]} == {"vocals", "accompaniment"}
