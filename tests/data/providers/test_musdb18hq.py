import hashlib
import http.server
import importlib.util
import io
import threading
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import changed, song, write_song
from tests.data.test_fetch import Handler
from unsung.data.fetch import Remote
from unsung.data.providers import musdb18hq, provide
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


def test_it_is_downloaded_and_extracted(root, params, tmp_path, monkeypatch):
    """A server on loopback with a zip of the true layout, which cuts the first connection."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        for path in sorted(root.rglob("*.wav")):
            file.write(path, path.relative_to(root))

    class Server(Handler):
        plan, asked, content = [100_000], [], zipped.getvalue()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    remote = Remote(f"http://127.0.0.1:{server.server_port}/musdb18hq.zip", hashlib.sha256(Server.content).hexdigest())
    monkeypatch.setattr(musdb18hq, "ARCHIVE", remote)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    raw = tmp_path / "project" / "data" / "raw"
    raw.mkdir(parents=True)
    found, tracks = provide(raw, changed(params, data__provider="musdb18hq"))
    server.shutdown()
    assert found == raw and len(tracks) == 5 and len(Server.asked) == 2
    for track in tracks:
        for stem, path in track.stems.items():
            assert path.read_bytes() == (root / path.relative_to(raw)).read_bytes(), (track.name, stem)
    assert not list((tmp_path / "project" / ".scratch" / "download").glob("*/*"))


def test_a_copy_is_used_where_it_is(root, params, tmp_path):
    found, tracks = provide(tmp_path / "raw", changed(params, data={"provider": "musdb18hq", "root": str(root)}))
    assert found == root and len(tracks) == 5
