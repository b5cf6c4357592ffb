import hashlib

import pytest

from tests.conftest import changed, song, write_song
from tests.data.loopback import serving, zipped
from tests.data.providers import tracks_of
from unsung.data.providers import musdb18hq, provide
from unsung.data.remote import Remote
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
    found = {track.name: track.split for track in tracks_of(musdb18hq, root, params)}
    assert found == {
        "A Classic Education - NightOwl": "train",
        "Actions - One Minute Smile": "valid",
        "Meaxic - Take A Step": "valid",
        "Zeno - Signs": "train",
        "Al James - Schoolboy Facination": "test",
    }


def test_a_limit_is_kept_for_each_split(root, params, tmp_path):
    limited = changed(params, data__provider="musdb18hq", data__root=str(root), providers__musdb18hq__limit=1)
    assert [track.split for track in provide(tmp_path / "raw", limited)[1]] == ["train", "valid", "test"]


def test_a_missing_file_or_folder_is_one_line(root, params):
    (root / "test" / "Al James - Schoolboy Facination" / "bass.wav").unlink()
    (root / "train" / "Gone").symlink_to(root / "nowhere")
    found = {track.name: track.fault for track in tracks_of(musdb18hq, root, params) if track.fault}
    assert found == {"Al James - Schoolboy Facination": "no bass.wav", "Gone": "it is a link to nothing"}
    with pytest.raises(UserError, match="has no folder train"):
        list(tracks_of(musdb18hq, root / "train", params))


def test_it_is_downloaded_once(root, params, tmp_path, monkeypatch):
    """A server on loopback with a zip of the real layout, which cuts the first connection.

    Other params fetch nothing again.
    """
    content = zipped(root)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    with serving(content) as (address, handler):
        handler.plan = [100_000]
        remote = Remote(f"{address}/musdb18hq.zip", f"sha256:{hashlib.sha256(content).hexdigest()}")
        monkeypatch.setattr(musdb18hq, "ARCHIVE", remote)
        mine = changed(params, data__provider="musdb18hq")
        found, tracks = provide(tmp_path / "raw", mine)
        again, fewer = provide(tmp_path / "raw", changed(mine, seed=1, providers__musdb18hq__limit=1))
        assert len(handler.asked) == 2
    assert found == again and found.parent == tmp_path / "project" / ".scratch" / "datasets"
    assert len(tracks) == 5 and len(fewer) == 3
    for track in tracks:
        for stem, (source,) in track.stems.items():
            assert source.path.read_bytes() == (root / source.path.relative_to(found)).read_bytes(), (track.name, stem)
    assert not list((tmp_path / "project" / ".scratch" / "download").glob("*/*"))


def test_a_copy_is_used_where_it_is(root, params, tmp_path):
    found, tracks = provide(tmp_path / "raw", changed(params, data__provider="musdb18hq", data__root=str(root)))
    assert found == root and len(tracks) == 5
