import numpy as np
import pytest

from tests.restyle.bands import MEL, song
from unsung.errors import UserError
from unsung.restyle.baselines import INPUT, TRUTH
from unsung.restyle.evaluation import score_songs
from unsung.restyle.pairs import Examples, Song
from unsung.restyle.scores import MEASURES, SHARES, fit_judge

SYSTEMS = {
    INPUT: lambda pair: pair.input,
    "halves": lambda pair: 0.5 * pair.input + 0.5 * pair.truth,
    TRUTH: lambda pair: pair.truth,
}

SEEN = (5, 6, 1, 2, 3)


@pytest.fixture(scope="module")
def judge():
    return fit_judge(Examples.of([song(seed)[0] for seed in (1, 2, 3, 4)]), MEL)


@pytest.fixture(scope="module")
def tables(judge):
    return score_songs([song(seed)[0] for seed in SEEN], SYSTEMS, judge)


def test_a_row_for_each_song_and_system(tables):
    songs, _ = tables
    assert list(songs[["song", "system"]].itertuples(index=False, name=None)) == [(str(n), s) for n in SEEN for s in SYSTEMS]
    assert np.isfinite(songs[[*MEASURES, *SHARES, "both"]].to_numpy(float)).all()


def test_systems_have_means_but_one_distance_of_all_songs(tables, judge):
    songs, systems = tables
    for _, row in systems.iterrows():
        own = songs[songs["system"] == row["system"]]
        for name in (*MEASURES, *SHARES):
            if "mmd" not in name:
                assert row[name] == pytest.approx(own[name].mean())
        estimates = [SYSTEMS[row["system"]](song(seed)[0]) for seed in SEEN]
        textures = [judge.style.textures(judge.style.timbre(x)) for x in estimates]
        assert row["mmd"] == pytest.approx(judge.style.distance(textures)) and row["mmd"] < own["mmd"].mean()
        assert row["both"] == pytest.approx(min(row[name] for name in SHARES))
        assert row["both_low"] <= row["both"] <= row["both_high"]


def test_the_input_has_none_of_both_and_the_truth_all(tables):
    both = tables[1].set_index("system")["both"]
    assert both[INPUT] == 0 and both[TRUTH] == 1 and both["halves"] < 0.9


def test_songs_without_a_truth_have_shares_all_the_same(judge):
    asked = [Song(str(seed), song(seed)[0].input) for seed in SEEN]
    systems = {INPUT: SYSTEMS[INPUT], "carols": lambda found: song(int(found.name))[0].truth}
    table = score_songs(asked, systems, judge)[1].set_index("system")
    assert table["both"][INPUT] == 0 and table["both"]["carols"] > 0.4 and table["mel_l1"].isna().all()
    assert (table["both_low"] <= table["both"]).all() and (table["both"] <= table["both_high"]).all()


def test_few_songs_have_no_interval(judge):
    _, systems = score_songs([song(5)[0]], {TRUTH: SYSTEMS[TRUTH]}, judge)
    assert systems["both"][0] == 1 and np.isnan(systems["both_low"][0]) and np.isnan(systems["both_high"][0])


def test_errors_name_the_song_and_the_system(judge):
    with pytest.raises(UserError, match=r"^there are no songs to score"):
        score_songs([], SYSTEMS, judge)
    with pytest.raises(UserError, match=r"^5, broken: a sample is not a finite number"):
        score_songs([song(5)[0]], {"broken": lambda pair: np.nan * pair.input}, judge)
    with pytest.raises(UserError, match=r"^5: the estimate has 40000 samples"):
        score_songs([song(5)[0]], {"short": lambda pair: pair.input[:40_000]}, judge)
