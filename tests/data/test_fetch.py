"""Against an HTTP server on loopback that can be told to misbehave."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROOT, workers
from tests.data.loopback import serving, zipped
from unsung.data import fetch
from unsung.data.fetch import Remote, bring, download
from unsung.errors import UserError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
CONTENT = np.random.default_rng(0).bytes(5_000_000)


@pytest.fixture
def server():
    with serving(CONTENT) as (address, handler):
        yield f"{address}/data/songs.zip?download=1", handler


@pytest.fixture
def remote(server):
    return Remote(server[0], f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", len(CONTENT))


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
    read, original = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *given: (read.append(given), original(*given))[1])
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
    with pytest.raises(UserError, match=r"has checksum sha256:[0-9a-f]{64}, not sha256:000; it was removed"):
        get(replace(remote, checksum="sha256:000"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_md5_is_good_enough_where_nothing_better_is_published(remote, tmp_path):
    md5 = replace(remote, checksum=f"md5:{hashlib.md5(CONTENT).hexdigest()}")
    assert get(md5, tmp_path).read_bytes() == CONTENT
    with pytest.raises(UserError, match="has checksum md5:"):
        get(replace(md5, checksum="md5:000"), tmp_path / "again")


def test_a_server_that_announces_more_than_there_is(remote, tmp_path, server):
    server[1].lie = 1000
    with pytest.raises(UserError, match="cannot be fetched .*what came is kept"):
        get(remote, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["songs.zip.partial"]
    server[1].lie = 0
    assert get(remote, tmp_path).read_bytes() == CONTENT


def test_a_server_that_announces_less_than_there_is(remote, tmp_path, server):
    server[1].lie = -1000
    with pytest.raises(UserError, match="has checksum"):
        get(remote, tmp_path)
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


def test_a_disk_that_fills_up_is_one_line_and_what_came_is_kept(remote, tmp_path):
    """With a real error of the system's: no file may grow beyond 2 MB."""
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000));"
        f"from pathlib import Path; from unsung.data.fetch import *; from unsung.errors import told_in_one_line as told;"
        f"told()(download)(Remote({remote.url!r}, {remote.checksum!r}), Path({str(tmp_path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"unsung: the disk of {tmp_path} is full; make room and run again, what came is kept" in done.stderr
    assert 0 < (tmp_path / "songs.zip.partial").stat().st_size <= 2_000_000
    assert get(remote, tmp_path).read_bytes() == CONTENT


def test_a_killed_download_goes_on(remote, tmp_path, server):
    server[1].slow = 0.05
    code = (
        "from pathlib import Path; from unsung.data.fetch import *;"
        f"download(Remote({remote.url!r}, {remote.checksum!r}), Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=ENVIRONMENT)
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


@pytest.fixture
def songs(tmp_path):
    """A zip with two folders, and the files in it."""
    for part in ("train", "test"):
        (tmp_path / "songs" / part).mkdir(parents=True)
        (tmp_path / "songs" / part / "a.wav").write_bytes(part.encode())
    return zipped(tmp_path / "songs")


@pytest.mark.parametrize("killed_at", ["extract", "move"])
def test_an_archive_is_brought_once_and_a_kill_costs_no_second_download(tmp_path, monkeypatch, songs, killed_at):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with serving(songs) as (address, handler):
        remote = Remote(f"{address}/get", f"sha256:{hashlib.sha256(songs).hexdigest()}", called="songs.zip")
        with monkeypatch.context() as context:
            context.setattr(fetch, killed_at, lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                bring(remote, workers(1))
        assert not list((tmp_path / ".scratch").glob("datasets/*"))
        place = bring(remote, workers(1))
        assert bring(remote, workers(1)) == place and len(handler.asked) == 1
    assert place.parent == tmp_path / ".scratch" / "datasets"
    assert sorted(path.read_bytes() for path in place.glob("*/a.wav")) == [b"test", b"train"]
    assert not [path for path in (tmp_path / ".scratch" / "download").iterdir() if path.is_dir()]


def test_what_came_that_is_longer_than_the_file_is_thrown_away(remote, tmp_path):
    (tmp_path / "songs.zip.partial").write_bytes(CONTENT + b"more")
    assert get(remote, tmp_path).read_bytes() == CONTENT
