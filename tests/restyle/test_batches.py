import numpy as np
import pytest
import torch

from tests.restyle.conftest import params_with
from unsung import audio
from unsung.errors import UserError
from unsung.restyle import batches
from unsung.restyle.batches import Pairs


@pytest.mark.parametrize("pairs", ["aligned", "unaligned", "shuffled", "one"])
def test_a_sample_follows_from_its_number(songs, pairs):
    params = params_with({"train.pairs": pairs})
    mine, again = Pairs(songs.shards("train"), params), Pairs(songs.shards("train"), params)
    for number in (0, 5):
        for name, value in mine[number].items():
            assert torch.equal(value, again[number][name])
    assert not torch.equal(mine[0]["source"], mine[1]["source"])
    assert len(mine[0]["source"]) == len(mine[0]["target"]) == 125 * 64  # a second in whole hops


def test_aligned_pairs_are_one_moment_of_one_song(songs):
    """The source of a song is its target with another gain here, so that they can be compared."""
    sample = Pairs(songs.shards("train"), params_with({"data.source": "other", "data.provider": "aligned"}))[3]
    source, target = sample["source"], sample["target"]
    assert float(torch.corrcoef(torch.stack([source, target]))[0, 1]) > 0.999


def test_shuffled_pairs_are_not(songs):
    pairs = Pairs(
        songs.shards("train"), params_with({"data.source": "other", "data.provider": "aligned", "train.pairs": "shuffled"})
    )
    found = [float(torch.corrcoef(torch.stack([pairs[i]["source"], pairs[i]["target"]]))[0, 1]) for i in range(8)]
    assert np.mean(np.abs(found)) < 0.5


def test_segments_are_the_songs_own_samples(songs):
    shards, track = songs.shards("train"), songs.tracks("train")[0]
    row = next(row for row in shards.rows if row.track == track.name)
    found = batches.segment(shards, row, "carol", 640, 1280).numpy()
    np.testing.assert_array_equal(found, audio.read(track.stems["carol"])[row.start + 640 : row.start + 1920, 0])


def test_disguise_changes_the_colour_and_not_the_length():
    song = torch.from_numpy(np.random.default_rng(0).standard_normal(8000).astype(np.float32)) * 0.1
    one, two = (batches.disguised(song, np.random.default_rng(seed), 8000) for seed in (1, 2))
    assert one.shape == song.shape and not torch.allclose(one, two)


def test_drums_are_where_notes_begin():
    song = torch.zeros(16_000)
    song[4000:] = 0.1 * torch.sin(torch.arange(12_000) * 0.3)
    sounds = torch.stack([batches.drummed(song, np.random.default_rng(seed), 8000) for seed in range(20)])
    assert sounds.shape == (20, 16_000) and not sounds[:, :3900].any()
    assert 3 < (sounds[:, 4000:6000] != 0).any(1).sum() < 20  # not in every one
    assert not batches.drummed(torch.zeros(8000), np.random.default_rng(0), 8000).any()


def test_unaligned_needs_the_target_alone_and_others_need_both(songs):
    lone = songs.shards("train")
    lone.stems = ("carol",)
    Pairs(lone, params_with({"train.pairs": "unaligned"}))
    with pytest.raises(UserError, match="the shards have no style pop, only carol; mend data.source"):
        Pairs(lone, params_with())


def test_songs_that_lack_a_style_teach_nothing(songs, small):
    tracks = songs.tracks("train") + songs.tracks("valid")
    assert len(batches.taught(tracks, small)) == len(tracks)
    with pytest.raises(UserError, match="there is no train song with tango and carol; add some"):
        batches.taught(tracks, params_with({"data.provider": "aligned", "data.source": "tango"}))
