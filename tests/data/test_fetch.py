"""Against an HTTP server on loopback that can be told to misbehave."""

import errno
import hashlib
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from unsung.data import fetch
from unsung.data.fetch import Remote, download, extract
from unsung.errors import UserError

CONTENT = np.random.default_rng(0).bytes(5_000_000)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content`; `plan` holds what to do with the next requests: a status, or a number of bytes to stop after."""

    plan: list[int] = []
    content = CONTENT
    ranges = True
    slow = 0.0
    asked: list[str | None] = []

    def do_GET(self):
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        now = type(self).plan.pop(0) if type(self).plan else len(self.content)
        if 300 < now < 600:
            self.send_response(now)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranges else 0
        if start >= len(self.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.content)}")
            self.end_headers()
            return
        self.send_response(206 if asked and self.ranges else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        if asked and self.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.end_headers()
        body = self.content[start : start + now]
        for first in range(0, len(body), 2**18):
            self.wfile.write(body[first : first + 2**18])
            time.sleep(self.slow)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """The server's address and the handler that steers it."""

    class Mine(Handler):
        plan, asked = [], []

    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}/data/songs.zip?download=1", Mine
    found.shutdown()


@pytest.fixture
def remote(server):
    return Remote(server[0], hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def get(remote, folder, waited=None, retries=3):
    return download(remote, folder, retries, wait=(waited if waited is not None else []).append)


def test_a_file_arrives_whole_under_its_own_name(remote, tmp_path, server):
    path = get(remote, tmp_path)
    assert path == tmp_path / "songs.zip" and path.read_bytes() == CONTENT
    assert get(remote, tmp_path) == path and len(server[1].asked) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["songs.zip"]


def test_a_connection_cut_several_times_goes_on_where_it_was(remote, tmp_path, server):
    server[1].plan = [1_500_000, 700_000, 0, 2_000_000]
    assert get(remote, tmp_path).read_bytes() == CONTENT
    starts = [int(re.findall(r"\d+", asked)[0]) for asked in server[1].asked[1:]]
    assert len(starts) == 4 and starts == sorted(starts) and starts[0] >= 1_000_000


def test_what_came_is_not_read_again_after_a_cut(remote, tmp_path, server, monkeypatch):
    read, original = [], fetch._hash_so_far
    monkeypatch.setattr(fetch, "_hash_so_far", lambda path: (read.append(path), original(path))[1])
    server[1].plan = [1_500_000, 700_000, 2_000_000]
    assert get(remote, tmp_path).read_bytes() == CONTENT
    assert len(read) == 1


def test_a_server_without_range_begins_anew(remote, tmp_path, server):
    server[1].plan, server[1].ranges = [2_000_000], False
    assert get(remote, tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_in_trouble_is_asked_again_and_later_each_time(remote, tmp_path, server):
    server[1].plan = [500, 503, 429]
    waited: list[float] = []
    assert get(remote, tmp_path, waited).read_bytes() == CONTENT
    assert waited == [1, 2, 4]


def test_trouble_that_lasts_is_one_line_and_what_came_is_kept(remote, tmp_path, server):
    server[1].plan = [2_000_000] + [500] * 20
    with pytest.raises(UserError, match=r"cannot be fetched \(the server says 500\); what came is kept"):
        get(remote, tmp_path)
    assert not (tmp_path / "songs.zip").exists() and (tmp_path / "songs.zip.partial").stat().st_size >= 1_000_000
    server[1].plan = []
    assert get(remote, tmp_path).read_bytes() == CONTENT
    assert server[1].asked[-1] is not None


def test_a_file_that_is_not_there_is_refused_at_once(remote, tmp_path, server):
    server[1].plan = [404]
    with pytest.raises(UserError, match="is refused: the server says 404"):
        get(remote, tmp_path)
    assert len(server[1].asked) == 1


def test_a_wrong_hash_is_never_taken_for_whole(remote, tmp_path):
    with pytest.raises(UserError, match=r"has SHA-256 [0-9a-f]{64}, not 000; it was removed"):
        get(replace(remote, sha256="000"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_whole_partial_file_needs_its_name_only(remote, tmp_path, server):
    (tmp_path / "songs.zip.partial").write_bytes(CONTENT)
    assert get(remote, tmp_path).read_bytes() == CONTENT
    assert server[1].asked == [f"bytes={len(CONTENT)}-"]


def test_a_server_that_is_not_there_is_one_line(remote, tmp_path):
    with pytest.raises(UserError, match="cannot be fetched"):
        get(replace(remote, url="http://127.0.0.1:9/songs.zip"), tmp_path, retries=1)


def test_space_is_checked_first(remote, tmp_path, server):
    with pytest.raises(UserError, match="needs 1000000.0 GB more"):
        get(replace(remote, size=10**15), tmp_path)
    assert not server[1].asked


def test_a_disk_that_fills_up_is_one_line_and_what_came_is_kept(remote, tmp_path, monkeypatch):
    written = []

    def full(write, piece, path):
        written.append(piece)
        if len(written) > 2:
            error = OSError(errno.ENOSPC, "No space left on device")
            return original(lambda _: (_ for _ in ()).throw(error), piece, path)
        return original(write, piece, path)

    original = fetch._write
    with monkeypatch.context() as context:
        context.setattr(fetch, "_write", full)
        with pytest.raises(UserError, match="is full; make room and run again"):
            get(remote, tmp_path)
    assert (tmp_path / "songs.zip.partial").stat().st_size > 0
    assert get(remote, tmp_path).read_bytes() == CONTENT


def test_a_killed_download_goes_on(remote, tmp_path, server):
    server[1].slow = 0.05
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); from pathlib import Path; from unsung.data.fetch import *;"
        f"download(Remote({remote.url!r}, {remote.sha256!r}), Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    partial = tmp_path / "songs.zip.partial"
    deadline = time.monotonic() + 30
    while (not partial.exists() or partial.stat().st_size < 1_000_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "songs.zip").exists()
    server[1].slow = 0.0
    assert get(remote, tmp_path).read_bytes() == CONTENT
    assert server[1].asked[-1] not in (None, "bytes=0-")


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


SONGS = {f"train/Song {i}/vocals.wav": CONTENT[i * 1000 : i * 1000 + 5000] for i in range(5)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_archive_is_extracted_and_goes_on(tmp_path, workers):
    archive, out = make_zip(tmp_path / "a.zip", SONGS), tmp_path / "out"
    extract(archive, out, workers)
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.wav")} == SONGS
    kept, gone = out / "train/Song 0/vocals.wav", out / "train/Song 1/vocals.wav"
    gone.unlink()
    before = kept.stat().st_mtime_ns
    extract(archive, out, workers)
    assert gone.read_bytes() == SONGS["train/Song 1/vocals.wav"] and kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "name", ["../evil.wav", "/etc/evil.wav", "train/../../evil.wav", "C:\\evil.wav", "train\\..\\..\\evil.wav"]
)
def test_a_path_that_leaves_the_folder_is_refused_before_anything_is_written(tmp_path, name):
    archive = make_zip(tmp_path / "a.zip", {**SONGS, name: b"evil"})
    with pytest.raises(UserError, match="leads out of the folder; nothing was extracted"):
        extract(archive, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists() and not (tmp_path / "evil.wav").exists()


def test_links_and_absurd_sizes_are_refused(tmp_path):
    link = zipfile.ZipInfo("train/link.wav")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="which is a link"):
        extract(tmp_path / "link.zip", tmp_path / "out", 1)
    bomb = make_zip(tmp_path / "bomb.zip", {"zeros.wav": bytes(30_000_000)})  # 29 kB
    with pytest.raises(UserError, match="would grow to"):
        extract(bomb, tmp_path / "out", 1, most=20_000_000)
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive_is_one_line_and_leaves_no_half_file(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"vocals.wav": CONTENT[:100_000]})
    content = bytearray(archive.read_bytes())
    content[50_000] ^= 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match="is damaged at vocals.wav"):
        extract(archive, tmp_path / "out", 1)
    assert not (tmp_path / "out" / "vocals.wav").exists()
    archive.write_bytes(b"words")
    with pytest.raises(UserError, match="is not a zip"):
        extract(archive, tmp_path / "out", 1)
