import numpy as np
import pytest

from tests.restyle.bands import MEL, song
from unsung.errors import UserError
from unsung.restyle.pairs import Examples, Pair, Song
from unsung.restyle.scores import DISTANCES, MEASURES, SHARES, fit_judge, share


@pytest.fixture(scope="module")
def judge():
    return fit_judge(Examples.of([song(seed)[0] for seed in (1, 2, 3, 4)]), MEL)


@pytest.fixture(scope="module")
def case(judge):
    return judge.case(song(5)[0])


def scored(judge, case, waveform):
    return judge.score(case, judge.hear(waveform, "estimate"))


def test_the_truth_has_all_and_is_at_no_distance(judge, case):
    scores = scored(judge, case, case.truth.waveform)
    assert list(scores) == [*MEASURES, *SHARES, "both"]
    assert scores["both"] == min(scores[name] for name in SHARES) == 1
    assert scores["lsd"] == scores["lsd_short"] == scores["mel_l1"] == scores["stft"] == 0


def test_cheap_answers_have_one_and_not_the_other(judge, case):
    """The song without the style, the style without the song, neither, and each by halves."""
    pair, other = song(5)[0], song(6)[0].truth
    copied = scored(judge, case, pair.input)
    assert min(copied[f"{name}_share"] for name in ("chroma", "melody", "onset")) > 0.9
    assert copied["margin_share"] == copied["mmd_share"] == copied["both"] == 0
    assert scored(judge, case, judge.equaliser(pair))["both"] < 0.1
    another = scored(judge, case, other)
    assert another["margin_share"] > 0.7 and another["both"] < 0.15
    assert scored(judge, case, np.zeros_like(other))["both"] == 0


def test_a_little_noise_costs_a_little(judge, case):
    rng, truth = np.random.default_rng(0), case.truth.waveform
    both = [
        scored(judge, case, (truth + level * rng.standard_normal(len(truth))).astype(np.float32))["both"] for level in (1e-4, 0.1)
    ]
    assert both[0] > 0.8 > both[1]


def test_a_song_without_a_truth_is_judged_by_itself_and_by_other_songs_of_the_style():
    train = Examples.of([song(seed)[0] for seed in (1, 2, 3, 4)])
    judge = fit_judge(train, MEL, [song(seed)[0].truth for seed in (6, 8)])
    pair, another = song(5)[0], song(7)[0].truth
    case = judge.case(Song("5", pair.input))
    copied, restyled, other = (scored(judge, case, waveform) for waveform in (pair.input, pair.truth, another))
    assert [copied[f"{name}_share"] for name in ("chroma", "melody", "onset", "margin", "mmd")] == [1, 1, 1, 0, 0]
    assert restyled["both"] > 0.4 > 0.2 > other["both"] and restyled["margin_share"] > 0.8
    assert np.isnan([restyled[name] for name in DISTANCES]).all() and np.isfinite([restyled[name] for name in SHARES]).all()


def test_silent_songs_have_scores(judge):
    silence = np.zeros(32_000, np.float32)
    case = judge.case(Pair("silence", silence, silence))
    for waveform in (silence, song(1)[0].truth[:32_000]):
        scores = scored(judge, case, waveform)
        assert np.isfinite(list(scores.values())).all()


def test_learning_again_gives_the_same(judge, case):
    again = fit_judge(Examples.of([song(seed)[0] for seed in (1, 2, 3, 4)]), MEL)
    x = song(6)[0].input
    assert scored(again, again.case(song(5)[0]), x) == scored(judge, case, x)


@pytest.mark.parametrize(
    "name, value, zero, one, expected",
    [
        ("chroma", 0.5, 0.2, 0.8, 0.5),
        ("chroma", 0.1, 0.2, 0.8, 0),
        ("chroma", 0.9, 0.2, 0.8, 1),
        ("mmd", 0.04, 0.07, 0.01, 0.5),  # less is more
        ("mmd", 0.08, 0.07, 0.01, 0),
        ("onset", 0.3, 0.3, 0.32, 0),  # too short a way: all or nothing
        ("onset", 0.32, 0.3, 0.32, 1),
        ("margin", 0.5, 1.0, -1.0, 1),  # it leads the wrong way
    ],
)
def test_shares(name, value, zero, one, expected):
    assert share(name, value, zero, one) == pytest.approx(expected)


def test_what_cannot_be_judged_is_told(judge, case):
    with pytest.raises(UserError, match=r"^there are no training songs"):
        fit_judge(Examples([], [], False), MEL)
    with pytest.raises(UserError, match=r"^a song of 0\.50 s"):
        fit_judge(Examples([np.zeros(8000, np.float32)], [np.zeros(8000, np.float32)], False), MEL)
    with pytest.raises(UserError, match=r"^mine: a sample is not a finite number"):
        judge.hear(np.full(32_000, np.inf, np.float32), "mine")
    with pytest.raises(UserError, match=r"^5: the estimate has 32000 samples, the song 80000; write it at full length$"):
        scored(judge, case, np.zeros(32_000, np.float32))
