import numpy as np
import pytest
from scipy.signal import lfilter

from tests.restyle.bands import song
from unsung.restyle.style import SCALES, fit_style

RATE = 16_000


@pytest.fixture(scope="module")
def pairs():
    return [song(seed)[0] for seed in range(1, 7)]


@pytest.fixture(scope="module")
def style(pairs):
    return fit_style([p.input for p in pairs[:4]], [p.truth for p in pairs[:4]], RATE)


def textures(style, songs):
    return [style.textures(style.timbre(song)) for song in songs]


def test_the_classifier_knows_songs_that_it_has_not_seen(style, pairs):
    for pair in pairs[4:]:
        assert style.margin(style.timbre(pair.input)) < -0.2 and style.margin(style.timbre(pair.truth)) > 0.2


def test_the_distance_is_the_formula(style, pairs):
    one, other = (rows[::20] for rows in textures(style, [pairs[4].truth, pairs[5].input]))
    x, y = np.concatenate([one, other]), style.targets

    def kernel(a, b):
        squares = ((a[:, None] - b[None]) ** 2).sum(axis=-1) / style.width
        return np.mean([np.exp(-squares / scale).mean() for scale in SCALES])

    expected = kernel(x, x) - 2 * kernel(x, y) + kernel(y, y)
    assert style.distance([one, other]) == pytest.approx(expected, rel=1e-3)


def test_the_style_itself_is_near_and_the_other_is_far(style, pairs):
    far, near = (style.distance(textures(style, songs)) for songs in ([p.input for p in pairs[4:]], [p.truth for p in pairs[4:]]))
    assert style.distance([style.targets]) == 0 < near < far


def test_a_filter_moves_the_classifier_and_not_the_distance(style, pairs):
    song = pairs[4].input
    filtered = lfilter([1.0, -0.9], [1.0], song).astype(np.float32)  # as a tone control does, by 25 dB
    moved = style.margin(style.timbre(filtered)) - style.margin(style.timbre(song))
    before, after = (style.distance(some) for some in (textures(style, [song]), textures(style, [filtered])))
    assert abs(moved) > 0.3 and abs(after - before) < 0.15 * before


def test_draws_weigh_songs(style, pairs):
    songs = textures(style, [p.truth for p in pairs[4:]])
    table = style.table(songs)
    weights = np.array([[0.5, 0.5], [1, 0], [0, 1]])
    expected = [style.distance(songs), style.distance(songs[:1]), style.distance(songs[1:])]
    np.testing.assert_allclose(table.distance(weights), expected, atol=1e-12)


def test_silence_and_a_constant_style_are_finite():
    silence = np.zeros(2 * RATE, np.float32)
    style = fit_style([silence], [silence], RATE)
    assert style.distance(textures(style, [silence])) == 0 and np.isfinite(style.margin(style.timbre(silence)))
