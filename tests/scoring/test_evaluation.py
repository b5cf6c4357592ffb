import numpy as np
import pandas as pd
import pytest

from unsung.data.tracks import mixture, read_index
from unsung.scoring.evaluation import SYSTEMS, oracle_ratio_mask, references, rounded, score_track
from unsung.scoring.formulas import framewise_sdr
from unsung.scoring.scorer import MEASURES, WHOLE
from unsung.separation import Method, separate_track
from unsung.spectrum import Stft


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "test")[0]


def test_references_add_up_to_the_song(track):
    song = np.concatenate(list(mixture(track)))
    for targets in (("vocals",), ("vocals", "drums"), ("vocals", "drums", "bass", "other")):
        found = references(track, targets)
        assert len(found) == min(4, len(targets) + 1)
        np.testing.assert_allclose(sum(found.values()), song, atol=1e-6)


def test_the_oracle_ratio_mask_shares_out_the_song_and_is_far_above_the_mixture(track):
    truth, song = references(track, ("vocals",)), np.concatenate(list(mixture(track)))
    found = oracle_ratio_mask(truth, song, Stft(256, 64))
    np.testing.assert_allclose(sum(found.values()), song, atol=1e-4)
    floor, ceiling = (np.nanmedian(framewise_sdr(truth["vocals"], x, 8000)) for x in (song, found["vocals"]))
    assert ceiling > floor + 5


def test_every_system_is_scored(track, params, tmp_path, separator):
    separator.save(tmp_path / "model")
    separate_track(track, tmp_path, Method.of(tmp_path / "model", params))
    table, whole = map(pd.DataFrame, score_track(track, tmp_path, params))
    assert list(table["system"].unique()) == list(SYSTEMS)
    assert len(table) == 3 * 2 * 4
    medians = table.groupby(["system", "source"])["sdr"].median()
    assert medians["oracle ideal ratio mask", "vocals"] > medians["mixture", "vocals"]
    assert medians["mixture", "vocals"] == pytest.approx(-medians["mixture", "accompaniment"], abs=3)
    rows = whole.set_index(["system", "source"])
    assert len(rows) == 6 and (rows["seconds"] == 4.0).all()
    for measure in ("v3_sdr", "global_sdr", "si_sdr"):
        assert rows.loc[("oracle ideal ratio mask", "vocals"), measure] > rows.loc[("mixture", "vocals"), measure] + 5
    accuracy = rows["pitch_accuracy"].unstack()
    assert accuracy["vocals"].between(0, 1).all() and accuracy["accompaniment"].isna().all()
    assert accuracy.loc["oracle ideal ratio mask", "vocals"] > accuracy.loc["mixture", "vocals"]
    assert rows.loc[("oracle ideal ratio mask", "vocals"), "stft_distance"] < rows.loc[("mixture", "vocals"), "stft_distance"]


@pytest.mark.parametrize("off", [-1e-9, 1e-9])
def test_scores_that_differ_in_the_last_digits_are_the_same_bytes(off, tmp_path):
    scores, start = np.array([10.351512, -22.4, 0.0, np.inf, -np.inf, np.nan]), np.arange(6) / 3
    for name, values in (("here", scores), ("there", scores + off)):
        rows = [
            {"start": at, **dict.fromkeys((*MEASURES, *WHOLE), value), "ill_posed": False}
            for at, value in zip(start, values, strict=True)
        ]
        rounded(rows).to_parquet(tmp_path / name, index=False)
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()
    found = pd.read_parquet(tmp_path / "there")
    for name in (*MEASURES, *WHOLE):
        np.testing.assert_array_equal(found[name], scores)
    np.testing.assert_array_equal(found["start"], start)  # no score, and as it was
