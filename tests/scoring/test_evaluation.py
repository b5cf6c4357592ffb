import numpy as np
import pytest

from unsung import audio, separation
from unsung.data.tracks import mixture, read_index
from unsung.scoring.evaluation import SYSTEMS, ideal_ratio_mask, references, score_track
from unsung.scoring.formulas import framewise_sdr


@pytest.fixture
def track(stems_folder):
    return read_index(stems_folder / "test")[0]


def test_references_add_up_to_the_song(track):
    song = np.concatenate(list(mixture(track)))
    for targets in (("vocals",), ("vocals", "drums"), ("vocals", "drums", "bass", "other")):
        found = references(track, targets)
        assert len(found) == min(4, len(targets) + 1)
        np.testing.assert_allclose(sum(found.values()), song, atol=1e-6)


def test_the_ideal_ratio_mask_shares_out_the_song_and_is_far_above_the_mixture(track):
    truth, song = references(track, ("vocals",)), np.concatenate(list(mixture(track)))
    found = ideal_ratio_mask(truth, song, 256, 64)
    np.testing.assert_allclose(sum(found.values()), song, atol=1e-4)
    floor, ceiling = (np.nanmedian(framewise_sdr(truth["vocals"], x, 8000)) for x in (song, found["vocals"]))
    assert ceiling > floor + 5


def test_every_system_is_scored(track, params, tmp_path, separator):
    plan = separation.Plan.of(params.separate, 8000, {}, 0)
    own = audio.Facts(8000, 1, 0)
    separation.write_parts(separator, lambda: mixture(track), own, tmp_path / track.name, plan)
    table, whole = score_track(track, tmp_path, params)
    assert list(table["system"].unique()) == list(SYSTEMS)
    assert len(table) == 3 * 2 * 4
    medians = table.groupby(["system", "source"])["sdr"].median()
    assert medians["ideal ratio mask", "vocals"] > medians["mixture", "vocals"]
    assert medians["mixture", "vocals"] == pytest.approx(-medians["mixture", "accompaniment"], abs=3)
    rows = whole.set_index(["system", "source"])
    assert len(rows) == 6 and (rows["seconds"] == 4.0).all()
    for measure in ("v3_sdr", "global_sdr", "si_sdr"):
        assert rows.loc[("ideal ratio mask", "vocals"), measure] > rows.loc[("mixture", "vocals"), measure] + 5
    assert rows.loc[("ideal ratio mask", "vocals"), "stft_distance"] < rows.loc[("mixture", "vocals"), "stft_distance"]
