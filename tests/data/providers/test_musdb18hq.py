import importlib.util
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import changed, song, write_song
from unsung.data.providers import musdb18hq
from unsung.errors import UserError


@pytest.fixture
def root(tmp_path):
    stems = song(0, 0.2, 44_100)
    stems["mixture"] = sum(stems.values())
    for name in ("A Classic Education - NightOwl", "Actions - One Minute Smile", "Meaxic - Take A Step", "Zeno - Signs"):
        write_song(tmp_path / "train" / name, stems, 44_100)
    write_song(tmp_path / "test" / "Al James - Schoolboy Facination", stems, 44_100)
    return tmp_path


def test_the_official_splits(root, params):
    found = {track.name: track.split for track in musdb18hq.tracks(root, params)}
    assert found == {
        "A Classic Education - NightOwl": "train",
        "Actions - One Minute Smile": "valid",
        "Meaxic - Take A Step": "valid",
        "Zeno - Signs": "train",
        "Al James - Schoolboy Facination": "test",
    }


def test_the_validation_songs_are_those_of_the_musdb_package():
    spec = importlib.util.find_spec("musdb")
    assert spec is not None and spec.origin is not None
    config = YAML(typ="safe").load(Path(spec.origin).parent / "configs" / "mus.yaml")
    assert set(config["validation_tracks"]) == musdb18hq.VALID


def test_a_limit_is_kept_for_each_split(root, params):
    limited = changed(params, providers__musdb18hq__limit=1)
    assert [track.split for track in musdb18hq.tracks(root, limited)] == ["train", "valid", "test"]


def test_a_missing_file_or_folder_is_one_line(root, params):
    (root / "test" / "Al James - Schoolboy Facination" / "bass.wav").unlink()
    with pytest.raises(UserError, match=r"bass.wav is missing; extract MUSDB18-HQ again"):
        list(musdb18hq.tracks(root, params))
    with pytest.raises(UserError, match="has no folder train"):
        list(musdb18hq.tracks(root / "train", params))
