import errno
import threading
from pathlib import Path

import pytest

from unsung import files
from unsung.errors import UserError
from unsung.files import atomically, fingerprint, scratch, sha256


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomically(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    path = tmp_path / "a"
    for content in ("1", "2"):
        with atomically(path) as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert [p.name for p in path.iterdir()] == ["2"]
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_fingerprint_changes_with_values_and_with_code(tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("1")
    first = fingerprint({"a": 1, "b": 2}, [code])
    assert first == fingerprint({"b": 2, "a": 1}, [code])
    assert first != fingerprint({"a": 1, "b": 3}, [code])
    (code / "a.py").write_text("2")
    assert first != fingerprint({"a": 1, "b": 2}, [code])


def test_scratch_is_kept_after_a_failure_and_removed_after_success(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(RuntimeError), scratch("train", "key") as folder:
        (folder / "state").write_text("1")
        raise RuntimeError
    with scratch("train", "key") as folder:
        assert (folder / "state").read_text() == "1"
    assert not folder.exists()


def test_a_second_run_waits_for_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    seen = []

    def second():
        with scratch("train", "key"):
            seen.append("second")

    with scratch("train", "key"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        seen.append("first")
    thread.join(5)
    assert seen == ["first", "second"]


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="nowhere is not here; run the stage"):
        fingerprint({}, [tmp_path / "nowhere"])


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_is_moved_and_copied_where_it_must_be(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    files.move(tmp_path / "a", tmp_path / "there")
    assert (tmp_path / "there" / "x").read_text() == "a" and not (tmp_path / "a").exists()

    original = Path.replace

    def refuse(self, target):
        if self == tmp_path / "b":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    files.move(tmp_path / "b", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "x").read_text() == "b"
