"""A whole run with a system that the tests make: recordings, processes, going on, scores, table."""

import csv
import json
import sys

import numpy as np
import pytest
import soundfile
from peers import fetch, measure, recordings, results, worker
from peers.measure import System

from tests.conftest import song, workers
from tests.data.stem_files import write_stem_file
from unsung.errors import UserError
from unsung.scoring import folders

TANH = """
import numpy as np
LICENCE, CODE = "CC0-1.0", ()
def weights():
    return []
def load():
    return lambda mixture: np.tanh(20 * mixture) / 40
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One song, three training clips and two test clips of MIR-1K, one stem file."""
    folder = tmp_path_factory.mktemp("data")
    stems = song(0, 2.5, 44_100)
    vocals, others = stems["vocals"], stems["drums"] + stems["bass"] + stems["other"]
    (folder / "songs_valid" / "A - B").mkdir(parents=True)
    for name, samples in {"vocals": vocals, "accompaniment": others, "mixture": vocals + others}.items():
        soundfile.write(folder / "songs_valid" / "A - B" / f"{name}.flac", samples / 4, 44_100, "PCM_24")
    for number, name in enumerate(["amy_1_01", "amy_1_02", "abjones_1_01", "leon_1_01", "khair_1_01"]):
        clip = song(number, 1.5, 16_000, channels=1)
        place = folder / "mir1k" / ("test" if number > 2 else "train") / f"{name}.flac"
        place.parent.mkdir(parents=True, exist_ok=True)
        both = np.concatenate([clip["other"] + clip["drums"], clip["vocals"]], axis=1)
        soundfile.write(place, both / 4, 16_000)
    (folder / "musdb18_excerpts").mkdir()
    write_stem_file(folder / "musdb18_excerpts" / "C - D.stem.mp4", {"mixture": sum(stems.values()), **stems})
    return folder


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A separator that distorts the mixture, and a place for what is kept."""
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "tanh.py").write_text(TANH)
    start = f"import peers; peers.__path__.append({str(tmp_path / 'peers')!r}); from peers.worker import main; main()"
    command = measure.worker_command
    monkeypatch.setattr(measure, "worker_command", lambda module: [command(module)[0], "-c", start, module])
    monkeypatch.setattr(sys.modules["peers"], "__path__", [*sys.modules["peers"].__path__, str(tmp_path / "peers")])
    for module in (fetch, measure, results):
        monkeypatch.setattr(module, "BENCH", tmp_path / "bench")
    yield System("Tanh", "tanh", 0.1)
    sys.modules.pop("peers.tanh", None)


def test_test_sets_are_measured_only_when_asked_for(data, monkeypatch):
    monkeypatch.setattr(recordings, "_stempeg", list)
    names = {sets: [(piece.set, piece.name) for piece in recordings.pieces(data, sets)] for sets in recordings.SETS}
    clips = [("mir1k_train", name) for name in ("abjones_1_01", "amy_1_01", "amy_1_02")]
    assert names["valid"] == [("songs_valid", "A - B"), *clips]
    test = [("mir1k_test", "khair_1_01"), ("mir1k_test", "leon_1_01")]
    assert names["test"] == [*names["valid"], ("musdb_excerpts", "C - D"), *test]
    assert [piece.name for piece in recordings.pieces(data, "valid", limit=1)] == ["A - B", "abjones_1_01"]


def test_a_recording_has_a_mixture_and_two_references(data, monkeypatch):
    monkeypatch.setattr(recordings, "_stempeg", list)
    pieces = {piece.set: piece for piece in recordings.pieces(data, "test")}
    for name, away in (("songs_valid", 1e-6), ("mir1k_test", 1e-6), ("musdb_excerpts", 0.3)):  # AAC is lossy
        piece, channels = pieces[name], 1 if name.startswith("mir1k") else 2
        references, mixture = piece.references(), piece.mixture()
        assert list(references) == ["vocals", "accompaniment"]
        assert mixture.shape == (round(piece.seconds * piece.sample_rate), channels)
        assert np.abs(sum(references.values()) - mixture).mean() < away
    left, right = soundfile.read(data / "mir1k" / "test" / "leon_1_01.flac", dtype="float32")[0].T
    np.testing.assert_array_equal(pieces["mir1k_test"].references()["vocals"][:, 0], right)
    np.testing.assert_array_equal(pieces["mir1k_test"].references()["accompaniment"][:, 0], left)


def test_recordings_that_are_not_there_are_named(tmp_path):
    with pytest.raises(UserError, match="holds nothing for songs_valid; benchmarks/peers/recordings.py says"):
        recordings.pieces(tmp_path, "valid")


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 2)])
def test_a_system_gets_44_khz_stereo_and_the_estimate_comes_back_as_the_recording_is(rate, channels):
    t = np.arange(rate + 7) / rate
    mixture = np.stack([np.sin(2000 * t), np.cos(900 * t)][:channels], axis=1).astype(np.float32) * np.hanning(len(t))[:, None]
    seen = []
    done = worker.vocals_of(mixture.astype(np.float32), rate, lambda song: seen.append(song) or song / 2)
    assert seen[0].shape[1] == 2 and abs(len(seen[0]) / 44_100 - len(mixture) / rate) < 1e-3
    if channels == 1:
        np.testing.assert_array_equal(seen[0][:, 0], seen[0][:, 1])
    np.testing.assert_allclose(done["vocals"], mixture / 2, atol=1e-3)
    assert done["wall"] >= 0 and done["cpu"] >= 0


def test_a_run_that_was_killed_goes_on_and_scores_are_those_of_unsung_score(data, system, tmp_path, capsys):
    first = measure.measure(data, "valid", [system], limit=None)
    said = capsys.readouterr().out
    assert "Tanh, songs_valid: 1 of 1 recordings, about" in said and "in all about" in said
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "bench" / "runs").rglob("*.npz")}
    assert len(made) == 4
    lost = next(path for path in made if path.name.startswith("amy_1_01"))
    lost.unlink()
    again = measure.measure(data, "valid", [system], limit=None)
    assert "Tanh, mir1k_train: 1 of 3 recordings" in capsys.readouterr().out
    anew = {path: path.stat().st_mtime_ns for path in (tmp_path / "bench" / "runs").rglob("*.npz")}
    assert anew.keys() == made.keys() and [path for path in made if anew[path] != made[path]] == [lost]
    scores = [name for name in results.COLUMNS if name not in results.SHAPES]
    assert first[scores].equals(again[scores])

    piece = recordings.pieces(data, "valid")[0]
    own = next(path for path in made if path.parent.name == "songs_valid")
    vocals = np.load(own)["vocals"]
    (tmp_path / "estimates" / piece.name).mkdir(parents=True)
    for name, samples in {"vocals": vocals, "accompaniment": piece.mixture() - vocals}.items():
        soundfile.write(tmp_path / "estimates" / piece.name / f"{name}.wav", samples, 44_100, "FLOAT")
    _, tracks, _ = folders.score_folders(data / "songs_valid", tmp_path / "estimates", results.SETTINGS, workers(1))
    theirs = {row["source"]: row for row in tracks}
    row = first[(first["set"] == "songs_valid") & (first["system"] == "Tanh")].iloc[0]
    for name in ("sdr", "isr", "sir", "sar"):
        assert row[name] == pytest.approx(theirs["vocals"][name], abs=1e-4)  # tones: filters are not sharply determined
    assert row["accompaniment_sdr"] == pytest.approx(theirs["accompaniment"]["sdr"], abs=1e-6)


def test_the_table_has_floor_systems_and_ceiling_with_what_they_cost(data, system, tmp_path):
    found = measure.measure(data, "valid", [system], limit=None)
    assert found["system"].tolist() == 2 * ["mixture", "Tanh", "oracle ideal ratio mask"]
    clips = found[found["set"] == "mir1k_train"].set_index("system")
    assert clips.loc["mixture", "gnsdr"] == 0 < clips.loc["oracle ideal ratio mask", "gnsdr"]
    assert found[found["set"] == "songs_valid"]["gnsdr"].isna().all()
    tanh = clips.loc["Tanh"]
    assert (tanh["recordings"], tanh["licence"]) == (3, "CC0-1.0") and tanh["seconds"] == pytest.approx(4.5)
    assert tanh["peak_MB"] > tanh["own_peak_MB"] > 0 and tanh["real_time_factor"] >= 0
    assert clips.loc["mixture", ["real_time_factor", "peak_MB", "licence"]].isna().all()
    path, made = results.write(found, tmp_path / "out" / "peers.csv", [system.driver])
    rows = list(csv.DictReader(path.open()))
    assert tuple(rows[0]) == results.COLUMNS and rows[0]["licence"] == "" and len(rows) == 6
    assert results.shown(found).count("\n") == 7
    assert {"processor", "versions", "model", "weights"} <= json.loads(made.read_text()).keys()


def test_a_system_that_ends_early_is_named(data, system, tmp_path):
    (tmp_path / "peers" / "tanh.py").write_text(TANH.replace("np.tanh(20 * mixture) / 40", "exit(7)"))
    with pytest.raises(UserError, match="Tanh ended with exit code 7; what it did is kept, run again"):
        measure.measure(data, "valid", [system], limit=None)


def test_it_starts_and_says_what_it_is(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["measure.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        measure.main()
    assert ended.value.code == 0 and "make peers DATA=" in capsys.readouterr().out
