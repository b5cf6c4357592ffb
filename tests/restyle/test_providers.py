import numpy as np
import pytest
import soundfile

from tests.restyle.conftest import params_with
from unsung.data.tracks import read_recordings
from unsung.errors import UserError
from unsung.restyle.providers import aligned, demo, starnet, unaligned
from unsung.restyle.recordings import prepare
from unsung.restyle.root import root_of

STYLES = ("pop", "carol")
SPLITS = aligned.Settings(valid=0.2, test=0.2)


def write(path, seconds=1.0, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate)), rate)


def test_songs_with_one_name_are_pairs(tmp_path):
    for number in range(5):
        write(tmp_path / "pop" / f"song {number}.wav")
        write(tmp_path / "carol" / f"song {number}.flac")
    found = list(aligned.tracks(tmp_path, SPLITS, STYLES))
    assert {recording.split for recording in found} == {"train", "valid", "test"}
    assert all(set(recording.stems) == set(STYLES) and not recording.fault for recording in found)


def test_a_song_without_its_pair_says_so(tmp_path):
    for number in range(4):
        write(tmp_path / "pop" / f"{number}.wav")
        write(tmp_path / "carol" / f"{number}.wav")
    write(tmp_path / "carol" / "alone.wav")
    faults = {recording.name: recording.fault for recording in aligned.tracks(tmp_path, SPLITS, STYLES)}
    assert faults["alone"] == "it is not in pop/" and not any(faults[str(number)] for number in range(4))


def test_given_splits_are_kept_and_what_lies_outside_is_named(tmp_path):
    for split in ("train", "valid", "test"):
        write(tmp_path / "pop" / split / "a.wav")
        write(tmp_path / "carol" / split / "a.wav")
    found = {recording.name: recording.split for recording in aligned.tracks(tmp_path, SPLITS, STYLES)}
    assert found == {f"{split} - a": split for split in ("train", "valid", "test")}
    write(tmp_path / "pop" / "b.wav")
    write(tmp_path / "carol" / "b.wav")
    with pytest.raises(UserError, match="b below .* lies outside train, valid and test"):
        list(aligned.tracks(tmp_path, SPLITS, STYLES))


def test_folders_without_pairs_are_one_line(tmp_path):
    write(tmp_path / "pop" / "a.wav")
    with pytest.raises(UserError, match="has no folder carol; make one"):
        list(aligned.tracks(tmp_path, SPLITS, STYLES))
    (tmp_path / "carol").mkdir()
    with pytest.raises(UserError, match="carol has no audio files"):
        list(aligned.tracks(tmp_path, SPLITS, STYLES))
    write(tmp_path / "carol" / "b.wav")
    with pytest.raises(UserError, match=r"has no pair: pop/ has a, carol/ has b; give both recordings"):
        list(aligned.tracks(tmp_path, SPLITS, STYLES))
    write(tmp_path / "carol" / "b.flac")
    with pytest.raises(UserError, match="have one name; remove one"):
        list(aligned.tracks(tmp_path, SPLITS, STYLES))


def test_unaligned_songs_have_one_style_each(tmp_path):
    for number in range(4):
        write(tmp_path / "pop" / f"a{number}.wav")
        write(tmp_path / "carol" / f"b{number}.wav")
    found = list(unaligned.tracks(tmp_path, SPLITS, STYLES))
    assert len(found) == 8 and all(len(recording.stems) == 1 for recording in found)
    for style in STYLES:
        assert {"train", "valid", "test"} == {recording.split for recording in found if style in recording.stems}


def test_starnets_files_are_told_by_their_numbers(tmp_path):
    for piece in ("001", "002", "003"):
        for number in range(6):
            write(tmp_path / f"{piece}.{number}.wav")
    found = list(starnet.tracks(tmp_path, SPLITS, ("strings_piano", "clarinet_vibraphone")))
    assert [recording.stems["strings_piano"][0].path.name for recording in found] == ["001.3.wav", "002.3.wav", "003.3.wav"]
    (tmp_path / "002.0.wav").unlink()
    faults = [recording.fault for recording in starnet.tracks(tmp_path, SPLITS, ("strings_piano", "clarinet_vibraphone"))]
    assert faults == ["", "no 002.0.wav", ""]
    with pytest.raises(UserError, match="StarNet has no style pop, only clarinet_vibraphone"):
        list(starnet.tracks(tmp_path, SPLITS, STYLES))


def test_the_demos_songs_follow_from_the_seed_and_keep_their_timing(tmp_path, small):
    for root in ("one", "two"):
        demo.compose(tmp_path / root, small.providers.demo, 0, small.compute)
    one, two = ([path.read_bytes() for path in sorted((tmp_path / root).rglob("*.wav"))] for root in ("one", "two"))
    assert one == two and len(one) == 8
    pop, carol = (soundfile.read(tmp_path / "one/train/001" / f"{style}.wav")[0] for style in STYLES)
    assert pop.shape == carol.shape == (4 * 44_100, 2)
    assert np.abs(pop).max() <= 0.51 and np.abs(carol).max() <= 0.51  # their sum does not clip
    assert not np.allclose(pop, carol)


def test_the_index_has_both_styles(tmp_path, small):
    prepare(tmp_path / "raw", small)
    found = read_recordings(tmp_path / "raw", root_of(tmp_path / "raw", small))
    assert [recording.split for recording in found] == ["train", "train", "valid", "test"]
    assert all(set(recording.stems) == set(STYLES) for recording in found)


def test_a_root_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(UserError, match="data.root is .*nowhere, which is not a folder"):
        prepare(tmp_path / "raw", params_with({"data.provider": "aligned", "data.root": "nowhere"}))
