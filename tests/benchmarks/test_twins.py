"""The comparison of processes with their twins, on small songs and on rows that are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from mir_eval import separation
from twins import results, score, train
from twins.systems import REFERENCE, SYSTEMS

from unsung.data.tracks import read_index
from unsung.files import sha256
from unsung.models.separator import Config, Separator


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_can_be_trained_and_sampled_in_its_calls(params, name):
    system = SYSTEMS[name]
    separator = Separator(Config.of(system.params(params), covers_song=False))
    for calls in system.calls:
        separator.sample_in(calls, system.draws)
        assert separator.process.settings.calls == calls


def test_a_deeper_twin_has_as_many_times_the_blocks(params):
    blocks = SYSTEMS["predictive, twice the blocks"].params(params).networks.band_split.blocks
    assert blocks == 2 * params.networks.band_split.blocks


def test_rows_are_of_whole_tracks_and_noise_of_the_right_size_is_calibrated(params, stems_folder, tmp_path):
    predictive = SYSTEMS[REFERENCE].params(params)
    torch.manual_seed(0)
    Separator(Config.of(predictive, covers_song=False)).save(tmp_path / "last")
    tracks = read_index(stems_folder / "valid")
    separator = Separator.load(tmp_path / "last")
    rows = pd.DataFrame(row for track in tracks for row in score.rows_of(separator, track, (1,), 1))
    assert rows["crps"].tolist() == pytest.approx(rows["mae"].tolist()) and not rows["variance"].any()
    assert rows["seconds"].tolist() == pytest.approx([4.0] * len(rows))
    noisy = pd.DataFrame(score.noise_rows(tmp_path, tracks, tracks))
    ratio = (noisy["variance"] * (1 + 1 / 8)).sum() / noisy["error"].sum()
    assert ratio == pytest.approx(1, abs=0.25)
    assert noisy["sdr"].mean() < noisy["sdr_of_mean"].mean() < rows["sdr"].mean() + 0.1


def test_the_sdr_of_version_3_is_that_of_mir_eval():
    rng = np.random.default_rng(0)
    truth, rest = rng.standard_normal((2, 1, 1, 4000))
    estimate = truth + 0.3 * rest + 0.1 * rng.standard_normal(truth.shape)
    found = score.v3_sdr(truth, (truth + rest)[0], {"one": estimate})["one"]
    pairs = [np.concatenate([part[0], other[0]]) for part, other in ((truth, rest), (estimate, truth + rest - estimate))]
    expected = separation.bss_eval_sources(*pairs, compute_permutation=False)[0][0]
    assert found == pytest.approx(expected, abs=1e-4)


def rows(system, calls, sdr, crps=0.1, variance=0.0, seeds=(0, 1)):
    tracks = {"amy_1_01": 0.0, "amy_1_02": 1.0, "bob_1_01": 2.0}
    same = {"draws": 8, "stft": 1.0, "stft_of_mean": 1.0, "crps": crps, "mae": 0.1, "variance": variance, "error": 0.09}
    return [
        {"system": system, "seed": seed, "split": "valid", "track": track, "calls": calls, "seconds": 2.0, **same}
        | {"sdr": sdr + more + seed, "sdr_of_mean": sdr + more + seed + 0.5, "v3_of_one": sdr + 1, "v3_of_mixture": 0.0}
        for seed in seeds
        for track, more in tracks.items()
    ]


@pytest.fixture
def table():
    return pd.DataFrame([*rows(REFERENCE, 1, 6.0), *rows("bridge", 1, 5.0, 0.08, 0.08), *rows("bridge", 2, 5.4)])


def test_a_summary_is_of_means_and_of_the_twins_error(table):
    found = results.summary(table).set_index(["system", "calls"])
    assert found.loc[("bridge", 1), "sdr"] == pytest.approx(5 + 1 + 0.5)  # of tracks and of seeds
    assert found.loc[("bridge", 1), "crps_ratio"] == pytest.approx(0.8)
    assert found.loc[("bridge", 1), "ratio"] == pytest.approx(0.08 * 9 / 8 / 0.09)
    assert found.loc[("bridge", 2), "gnsdr"] == pytest.approx(6.4) and found.loc[("bridge", 2), "seeds"] == 2


def test_pairs_are_of_the_same_track_and_seed_and_singers_are_groups(table):
    found = results.pairs(table).set_index(["system", "calls", "score", "against"])
    more = found.loc[("bridge", 2, "sdr", "own one call")]
    assert more["difference"] == pytest.approx(0.4) and (more["tracks"], more["groups"]) == (3, 2)
    assert found.loc[("bridge", 1, "sdr_of_mean", REFERENCE), "difference"] == pytest.approx(-0.5)
    assert not any(system == REFERENCE for system, *_ in found.index)
    uneven = table.assign(sdr=table["sdr"] + np.where(table["track"].eq("bob_1_01") & table["calls"].eq(2), 3.0, 0.0))
    spread = results.pairs(uneven).set_index(["system", "calls", "score", "against"]).loc[("bridge", 2, "sdr", "own one call")]
    assert spread["low"] < spread["difference"] < spread["high"] < spread["high_of_groups"]


def test_what_is_written_can_be_read_again_and_is_the_same_each_time(table, tmp_path):
    runs = tmp_path / "runs"
    for seed in (0, 1):
        (runs / str(seed) / "bridge").mkdir(parents=True)
        curve = pd.DataFrame({"step": [5], "train_loss": [0.5], "train_spectrum": [0.2], "valid_sdr": [3.0 + seed]})
        curve.to_csv(runs / str(seed) / "bridge" / "curve.csv", index=False)
    pd.DataFrame({"system": ["bridge", "other"], "seconds": [0.1, 0.2], "steps": [5, 4]}).to_csv(runs / "steps.csv", index=False)
    both = []
    for name in ("one", "two"):
        summary = results.write(runs, table, tmp_path / name)
        results.figure(summary, tmp_path / name / "valid.svg", "valid")
        both.append({path.name: sha256(path) for path in sorted((tmp_path / name).iterdir())})
    assert both[0] == both[1]
    assert set(both[0]) == {"curves.csv", "steps.csv", "valid.csv", "valid.svg", "valid_pairs.csv", "valid_rows.csv"}
    pd.testing.assert_frame_equal(results.summary(pd.read_csv(tmp_path / "one" / "valid_rows.csv").assign(split="valid")), summary)
    assert pd.read_csv(tmp_path / "one" / "steps.csv")["system"].tolist() == ["bridge"]
    assert "<svg" in (tmp_path / "one" / "valid.svg").read_text()


def test_systems_get_the_steps_that_the_reference_has_time_for_once(tmp_path, params, monkeypatch):
    timed = []

    def timings(project, params, names):
        timed.append(list(names))
        return {name: 0.1 if name == REFERENCE else 0.2 for name in names}

    monkeypatch.setattr(train, "timings", timings)
    first = train.steps_of(tmp_path, tmp_path / "runs", params, 100)
    assert first[REFERENCE] == 100 and {steps for name, steps in first.items() if name != REFERENCE} == {50}
    assert train.steps_of(tmp_path, tmp_path / "runs", params, 100) == first and len(timed) == 1


def test_what_is_trained_is_not_trained_again(tmp_path, params, shards_folder, stems_folder, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shards").symlink_to(shards_folder)
    (tmp_path / "data" / "stems").symlink_to(stems_folder)
    monkeypatch.setattr(train, "load_params", lambda path: params)
    monkeypatch.setattr(score, "load_params", lambda path: params)
    monkeypatch.setattr(train, "timings", lambda project, params, names: dict.fromkeys(names, 0.1))
    runs = tmp_path / "runs"
    train.train_all(tmp_path, runs, ["bridge"], [3], 2)
    assert (runs / "3" / "bridge" / "last" / "weights.safetensors").exists()
    first = score.score_all(tmp_path, runs, "valid", ["bridge", "ddpm"], [3])
    monkeypatch.setattr(train.training, "train", lambda *args: pytest.fail("it is trained"))
    monkeypatch.setattr(score, "rows_of", lambda *args: pytest.fail("it is scored"))
    train.train_all(tmp_path, runs, ["bridge"], [3], 2)
    again = score.score_all(tmp_path, runs, "valid", ["bridge", "ddpm"], [3])
    pd.testing.assert_frame_equal(first, again)
    assert first["system"].unique().tolist() == ["bridge"] and first["calls"].unique().tolist() == [1, 2, 4]
