import numpy as np
import pytest
import soundfile

from tests.conftest import STEMS
from unsung import audio
from unsung.data.tracks import Track, mixture, read_index, read_table, write_index, write_splits
from unsung.errors import UserError
from unsung.files import sha256


def test_an_index_is_read_as_it_was_written(tmp_path, raw_tracks):
    root = raw_tracks[0].stems["vocals"].parents[2]
    write_index(tmp_path, raw_tracks, root, workers=1, desc="test")
    assert read_index(tmp_path, root) == raw_tracks
    row = read_table(tmp_path).query("track == 'Song 1' and stem == 'bass'").iloc[0]
    assert (row["split"], row["frames"], row["sample_rate"], row["channels"]) == ("valid", 64_000, 16_000, 2)
    assert row["sha256"] == sha256(raw_tracks[1].stems["bass"])


def test_the_index_does_not_depend_on_where_the_data_lie(tmp_path, raw_tracks):
    import shutil

    root = raw_tracks[0].stems["vocals"].parents[2]
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    moved = [Track(t.name, t.split, {s: elsewhere / p.relative_to(root) for s, p in t.stems.items()}) for t in raw_tracks]
    write_index(tmp_path / "a", raw_tracks, root, 1, "test")
    write_index(tmp_path / "b", moved, elsewhere, 1, "test")
    assert sha256(tmp_path / "a" / "tracks.parquet") == sha256(tmp_path / "b" / "tracks.parquet")


def test_no_tracks_and_two_of_one_name_are_refused(tmp_path, raw_tracks):
    with pytest.raises(UserError, match="holds no tracks"):
        write_index(tmp_path, [], tmp_path, 1, "test")
    with pytest.raises(UserError, match='called "Song 0"'):
        write_index(tmp_path, [raw_tracks[0], raw_tracks[0]], tmp_path, 1, "test")


def test_a_split_without_tracks_is_refused(tmp_path, raw_tracks):
    with pytest.raises(UserError, match="no train track"):
        write_splits(tmp_path, raw_tracks[1:], workers=1)


def test_a_missing_index_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match="dvc repro"):
        read_index(tmp_path)


def test_the_mixture_is_the_given_one_or_the_sum(stems_folder, tmp_path):
    track = read_index(stems_folder / "test")[0]
    assert set(track.stems) == set(STEMS)
    total = np.concatenate(list(mixture(track)))
    np.testing.assert_allclose(total, sum(audio.read(path) for path in track.stems.values()), atol=1e-6)
    soundfile.write(tmp_path / "mixture.flac", total / 2, 8000, subtype="PCM_24")
    given = Track(track.name, track.split, {**track.stems, "mixture": tmp_path / "mixture.flac"})
    np.testing.assert_allclose(np.concatenate(list(mixture(given))), total / 2, atol=1e-6)
