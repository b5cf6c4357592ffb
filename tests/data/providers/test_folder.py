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
    for i, layout in enumerate((stems, {"vocals": four["vocals"], "mixture": sum(four.values())}, four)):
        for name in "ABC":
            folder_of_track = write_song(tmp_path / str(i) / name, layout, rate, extension)
            (folder_of_track / "cover.jpg").write_bytes(b"not audio")
        tracks = list(tracks_of(folder, tmp_path / str(i), params))
        assert [set(track.stems) for track in tracks] == 3 * [set(layout)] and not any(track.fault for track in tracks)


def test_an_empty_folder_and_a_missing_one_are_one_line(tmp_path, params):
    local = changed(params, data__provider="folder", data__root=str(tmp_path))
    with pytest.raises(UserError, match="holds no folder with stems"):
        provide(tmp_path / "raw", local)
    with pytest.raises(UserError, match="is not a folder; set it to the folder of your tracks"):
        provide(tmp_path / "raw", changed(local, data__root=str(tmp_path / "nowhere")))


def faults(root, params):
    return {track.name: track.fault for track in tracks_of(folder, root, params) if track.fault}


@pytest.fixture
def root(tmp_path, stems):
    for name in ("X", "Y", "Z"):
        write_song(tmp_path / name, stems, RATE)
    return tmp_path


def test_what_a_track_lacks_is_said(root, stems, params):
    write_song(root / "A", {"drums": stems["vocals"], "bass": stems["vocals"]}, RATE)
    write_song(root / "B", {"vocals": stems["vocals"]}, RATE)
    found = {"A": "no vocals, only bass, drums", "B": "only vocals.wav"}
    assert faults(root, params) == found
    both = changed(params, model__targets=["drums", "bass"])
    assert faults(root, both)["A"] == "nothing beside drums, bass: no accompaniment, mixture or other stems"


def test_a_stem_there_twice_and_parts_of_the_accompaniment_are_refused(root, stems, params):
    write_song(root / "X", {"drums": stems["vocals"]}, RATE)
    shutil.copy(root / "Y" / "vocals.wav", root / "Y" / "vocals.flac")
    found = {"X": "accompaniment and drums, which it contains", "Y": "two files for the stem vocals"}
    assert faults(root, params) == found


def test_a_track_outside_the_given_splits_is_refused(tmp_path, stems, params):
    write_song(tmp_path / "train" / "A", stems, RATE)
    write_song(tmp_path / "B", stems, RATE)
    assert faults(tmp_path, params)["B"].startswith("it lies outside train, valid and test")


def test_all_tracks_have_the_same_stems(tmp_path, params):
    four = song(0, 0.2, RATE)
    for split in ("train", "valid", "test"):
        for name in ("A", "B"):
            write_song(tmp_path / split / f"{split} {name}", four, RATE)
    (tmp_path / "train" / "train A" / "bass.wav").unlink()
    (tmp_path / "test" / "test A" / "drums.wav").unlink()
    shutil.copy(tmp_path / "valid" / "valid A" / "bass.wav", tmp_path / "valid" / "valid A" / "piano.wav")
    write_song(tmp_path / "test" / "C", {"vocals": four["vocals"], "accompaniment": four["bass"]}, RATE)
    found = {"train A": "no bass", "test A": "no drums", "valid A": "piano, which most tracks do not have"}
    assert faults(tmp_path, params) == found


def test_what_is_no_track_is_passed_over(root, stems, params):
    """Hidden files, a file beside the tracks, a folder of pictures, notes below a track."""
    (root / ".hidden").mkdir()
    write_song(root / "X" / "takes", {"click": stems["vocals"]}, RATE)
    write_song(root, {"preview": stems["vocals"]}, RATE)
    (root / "art").mkdir()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "art/cover.jpg", "X/notes.txt", "X/._vocals.wav", ".hidden/vocals.wav"):
        (root / name).write_bytes(b"x")
    tracks = list(tracks_of(folder, root, params))
    assert [track.name for track in tracks] == ["X", "Y", "Z"] and not any(track.fault for track in tracks)


def test_links_are_followed_once(root, tmp_path_factory, stems, params):
    elsewhere = write_song(tmp_path_factory.mktemp("elsewhere") / "W", stems, RATE)
    for name, target in (("V", elsewhere), ("again", elsewhere), ("loop", root), ("self", root / "self")):
        (root / name).symlink_to(target)
    (root / "Y" / "loop").symlink_to("..")
    tracks = list(tracks_of(folder, root, params))
    assert {track.name: track.fault for track in tracks} == {
        **dict.fromkeys("VXYZ", ""),
        "self": "it is a link to nothing",
    }


def test_too_few_tracks_are_refused(tmp_path, stems, params):
    write_song(tmp_path / "A", stems, RATE)
    with pytest.raises(UserError, match="at least 3 are needed"):
        list(tracks_of(folder, tmp_path, params))
