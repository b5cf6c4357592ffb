import shutil

import pytest

from tests.conftest import changed, song, write_song
from tests.data.providers import tracks_of
from unsung.data.providers import folder, provide
from unsung.errors import UserError

RATE = 8000


@pytest.fixture
def stems():
    found = song(0, 0.5, RATE)
    return {"vocals": found["vocals"], "accompaniment": found["drums"]}


def test_given_splits_are_kept(tmp_path, stems, params):
    for split, name in (("train", "A"), ("train", "B/C"), ("valid", "D"), ("test", "E")):
        write_song(tmp_path / split / name, stems, RATE)
    found = {track.name: track.split for track in tracks_of(folder, tmp_path, params)}
    assert found == {"A": "train", "B - C": "train", "D": "valid", "E": "test"}


def test_drawn_splits_follow_the_shares_and_no_track_moves_when_others_come(tmp_path, stems, params):
    names = [f"Artist {i}" for i in range(60)]
    for name in names[:40]:
        write_song(tmp_path / name, stems, RATE)
    before = {track.name: track.split for track in tracks_of(folder, tmp_path, params)}
    for name in names[40:]:
        write_song(tmp_path / name, stems, RATE)
    after = {track.name: track.split for track in tracks_of(folder, tmp_path, params)}
    assert {name: after[name] for name in before} == before
    assert 5 <= sum(split == "test" for split in after.values()) <= 20
    assert 2 <= sum(split == "valid" for split in after.values()) <= 12


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_few_tracks_fill_every_split(tmp_path, stems, params, count):
    for i in range(count):
        write_song(tmp_path / f"Song {i}", stems, RATE)
    assert {track.split for track in tracks_of(folder, tmp_path, params)} == {"train", "valid", "test"}


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_formats_and_layouts(tmp_path, stems, params, extension):
    rate = 16_000
    four = song(0, 0.5, rate)
    layouts = (stems, {"vocals": four["vocals"], "mixture": sum(four.values())}, four)
    for i, layout in enumerate(layouts):
        write_song(tmp_path / f"Song {i}", layout, rate, extension)
    (tmp_path / "Song 0" / "cover.jpg").write_bytes(b"not audio")
    assert [set(track.stems) for track in tracks_of(folder, tmp_path, params)] == [set(layout) for layout in layouts]


def test_an_empty_folder_and_a_missing_one_are_one_line(tmp_path, params):
    local = changed(params, data__provider="folder", data__root=str(tmp_path))
    with pytest.raises(UserError, match="holds no folder with stems"):
        provide(tmp_path / "raw", local)
    with pytest.raises(UserError, match="is not a folder; set it to the folder of your tracks"):
        provide(tmp_path / "raw", changed(local, data__root=str(tmp_path / "nowhere")))


def test_what_a_track_lacks_is_said(tmp_path, stems, params):
    write_song(tmp_path / "A", {"drums": stems["vocals"], "bass": stems["vocals"]}, RATE)
    with pytest.raises(UserError, match="A has no vocals, only bass, drums"):
        list(tracks_of(folder, tmp_path, params))
    with pytest.raises(UserError, match="has nothing beside drums, bass"):
        list(tracks_of(folder, tmp_path, changed(params, model__targets=["drums", "bass"])))


def test_a_stem_there_twice_and_parts_of_the_accompaniment_are_refused(tmp_path, stems, params):
    track = write_song(tmp_path / "A", stems, RATE)
    write_song(tmp_path / "A", {"drums": stems["vocals"]}, RATE)
    with pytest.raises(UserError, match="has accompaniment and drums, which it contains"):
        list(tracks_of(folder, tmp_path, params))
    (track / "drums.wav").unlink()
    shutil.copy(track / "vocals.wav", track / "vocals.flac")
    with pytest.raises(UserError, match="two files for the stem vocals"):
        list(tracks_of(folder, tmp_path, params))


def test_a_track_outside_the_given_splits_is_refused(tmp_path, stems, params):
    write_song(tmp_path / "train" / "A", stems, RATE)
    write_song(tmp_path / "B", stems, RATE)
    with pytest.raises(UserError, match="lies outside train, valid and test"):
        list(tracks_of(folder, tmp_path, params))


def test_too_few_tracks_are_refused(tmp_path, stems, params):
    write_song(tmp_path / "A", stems, RATE)
    with pytest.raises(UserError, match="at least 3 are needed"):
        list(tracks_of(folder, tmp_path, params))
