import numpy as np
import pytest

from unsung import audio
from unsung.errors import UserError
from unsung.restyle.pairs import Pair, read_examples, read_songs


def test_pairs_come_before_songs_of_one_style(songs):
    tracks = songs.tracks("train")
    pairs = read_songs(tracks, "pop", "carol")
    assert [song.name for song in pairs] == ["song 0", "song 1"]
    np.testing.assert_array_equal(pairs[0].input, audio.read(tracks[0].stems["pop"])[:, 0])
    examples = read_examples(tracks, "pop", "carol")
    assert examples.paired and all(map(np.array_equal, examples.targets, (pair.truth for pair in pairs)))


def test_without_pairs_songs_have_no_truth_and_either_style_has_its_examples(songs):
    (one, other), test = songs.tracks("train"), songs.tracks("test")
    apart = [
        type(one)(one.name, one.split, {"pop": one.stems["pop"]}),
        type(one)(other.name, "train", {"carol": other.stems["carol"]}),
    ]
    examples = read_examples(apart, "pop", "carol")
    assert (len(examples.inputs), len(examples.targets), examples.paired) == (1, 1, False)
    found = read_songs(test, "pop", "bossa")
    assert len(found) == 1 and not isinstance(found[0], Pair)


def test_a_style_without_songs_is_one_line(songs):
    with pytest.raises(UserError, match="^no song of this split is bossa; add some"):
        read_songs(songs.tracks("test"), "bossa", "carol")
    with pytest.raises(UserError, match="^no song of this split is bossa; add some"):
        read_examples(songs.tracks("train"), "pop", "bossa")
