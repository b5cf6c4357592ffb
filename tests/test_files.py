import errno
import json
import os
import subprocess
import threading
from multiprocessing import Process
from pathlib import Path

import pytest

from unsung import files
from unsung.errors import UserError
from unsung.files import atomically, check_place, fingerprint, scratch, sha256


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomically(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_a_folder_takes_the_place_of_a_folder(tmp_path, monkeypatch, system):
    """In one step, or in three where the system has no exchange."""
    monkeypatch.setattr(files.sys, "platform", system)
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


def text_to(path: Path, text: str = "new") -> None:
    with atomically(path) as partial:
        partial.write_text(text)


def test_permissions_and_links_stay(tmp_path):
    file, link, chain = (tmp_path / name for name in ("there/file", "link", "chain"))
    file.parent.mkdir()
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to("there/file")
    chain.symlink_to(link)
    text_to(chain)
    assert file.read_text() == "new" and file.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink() and chain.is_symlink() and [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_link_to_what_may_only_be_read_is_replaced_and_its_target_is_not(tmp_path):
    """So DVC links into its cache."""
    (tmp_path / "cache").write_text("old")
    (tmp_path / "cache").chmod(0o444)
    (tmp_path / "out").symlink_to("cache")
    text_to(tmp_path / "out")
    assert (tmp_path / "cache").read_text() == "old" and (tmp_path / "out").read_text() == "new"


def test_an_open_file_is_written_to_where_it_is(tmp_path):
    """Opened anew, as by its name in /proc, it would begin again at its first byte."""
    with (tmp_path / "a").open("wb", buffering=0) as file:
        file.write(b"before ")
        (tmp_path / "link").symlink_to(f"/proc/self/fd/{file.fileno()}")
        text_to(tmp_path / "link", "whole")
        file.write(b" after")
    assert (tmp_path / "a").read_text() == "before whole after" and (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        text_to(tmp_path / "pipe", "whole")
        assert reader.stdout.read() == b"whole" and (tmp_path / "pipe").is_fifo()


def test_nothing_is_left_after_an_error_and_the_error_names_the_file(tmp_path):
    with pytest.raises(OSError) as error, atomically(tmp_path / "a") as partial:
        partial.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(tmp_path / "a")
    with pytest.raises(FileNotFoundError) as error, atomically(tmp_path / "b") as partial:
        (partial / "c").read_text()
    assert error.value.filename == str(tmp_path / "b" / "c")
    with pytest.raises(KeyboardInterrupt), atomically(tmp_path / "c") as partial:
        partial.mkdir()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / "a[1].json"  # letters that a pattern would obey
    with subprocess.Popen(["true"]) as dead:
        pass
    with atomically(path) as partial:
        left = partial.with_name(partial.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
        left.mkdir()
        partial.write_text("first")
        text_to(path, "second")
        assert partial.exists() and not left.exists()
    assert path.read_text() == "first" and [file.name for file in tmp_path.iterdir()] == [path.name]


def again_and_again(path: Path, number: int, folder: bool) -> None:
    for _ in range(100):
        with atomically(path) as partial:
            file = partial / "a" if folder else partial
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps([number] * 1000))


@pytest.mark.parametrize("folder", [False, True])
def test_processes_that_write_the_same_do_not_break_each_other(tmp_path, folder):
    path = tmp_path / "same"
    processes = [Process(target=again_and_again, args=(path, number, folder)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert not any(process.exitcode for process in processes)
    assert len(json.loads((path / "a" if folder else path).read_text())) == 1000
    assert [file.name for file in tmp_path.iterdir()] == ["same"]


def test_a_place_is_tried_before_the_work(tmp_path):
    assert not check_place(tmp_path / "a" / "new") and not list((tmp_path / "a").iterdir())
    (tmp_path / "old").write_text("old")
    assert check_place(tmp_path / "old") and (tmp_path / "old").read_text() == "old"
    for name, error in (("", IsADirectoryError), ("old/x", NotADirectoryError), ("x" * 256, OSError)):
        with pytest.raises(error):
            check_place(tmp_path / name)


def test_names_of_255_bytes_fit(tmp_path):
    for name in ("x" * 255, "\u65e5" * 85):
        text_to(tmp_path / name)
        assert (tmp_path / name).read_text() == "new"
