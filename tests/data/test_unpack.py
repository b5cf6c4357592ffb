import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, workers
from unsung.data import unpack
from unsung.data.unpack import extract
from unsung.errors import UserError

CONTENT = np.random.default_rng(0).bytes(1_000_000)


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


SONGS = {f"train/Song {i}/vocals.wav": CONTENT[i * 1000 : i * 1000 + 5000] for i in range(5)}


@pytest.mark.parametrize(("make", "count"), [(make_zip, 1), (make_zip, 2), (make_tar, 1)])
def test_an_archive_is_extracted_and_goes_on(tmp_path, make, count):
    archive, out = make(tmp_path / "archive", SONGS), tmp_path / "out"
    extract(archive, out, workers(count))
    assert {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.wav")} == SONGS
    kept, gone = out / "train/Song 0/vocals.wav", out / "train/Song 1/vocals.wav"
    gone.unlink()
    before = kept.stat().st_mtime_ns
    extract(archive, out, workers(count))
    assert gone.read_bytes() == SONGS["train/Song 1/vocals.wav"] and kept.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "name", ["../evil.wav", "/etc/evil.wav", "train/../../evil.wav", "C:\\evil.wav", "train\\..\\..\\evil.wav"]
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, make, name):
    archive = make(tmp_path / "archive", {name: b"evil", **SONGS})
    with pytest.raises(UserError, match="leads out of the folder; it was not extracted"):
        extract(archive, tmp_path / "out", workers(1))
    assert not list((tmp_path / "out").iterdir()) and not (tmp_path / "evil.wav").exists()


def test_links_and_absurd_sizes_are_refused(tmp_path):
    link = zipfile.ZipInfo("train/link.wav")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="which is a link"):
        extract(tmp_path / "link.zip", tmp_path / "out", workers(1))
    bomb = make_zip(tmp_path / "bomb.zip", {"zeros.wav": bytes(30_000_000)})  # 29 kB
    with pytest.raises(UserError, match="would grow to"):
        extract(bomb, tmp_path / "out", workers(1), most=20_000_000)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("train/link.wav")
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    with pytest.raises(UserError, match="which is a link or a device"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out", workers(1))


def test_an_absurd_tar_is_given_up_before_it_is_written(tmp_path):
    bomb = make_tar(tmp_path / "bomb.tar.gz", {"zeros.wav": bytes(30_000_000)})
    with pytest.raises(UserError, match="would grow to"):
        extract(bomb, tmp_path / "out", workers(1), most=20_000_000)
    assert not list((tmp_path / "out").iterdir())


def test_a_tar_that_ends_early_keeps_what_was_whole(tmp_path):
    archive = make_tar(tmp_path / "a.tar.gz", {"a.wav": CONTENT[:100_000], "b.wav": CONTENT[100_000:200_000]})
    archive.write_bytes(archive.read_bytes()[:150_000])
    with pytest.raises(UserError, match="is damaged"):
        extract(archive, tmp_path / "out", workers(1))
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.wav"]


BSDTAR = """#!{python}
import shutil, sys, zipfile
what, archive, *more = sys.argv[1:]
with zipfile.ZipFile(archive) as file:
    for member in file.infolist():
        if what == "-tvf":
            kind = "l" if member.external_attr >> 28 == 10 else "-"
            print(f"{{kind}}rw-r--r--  0 0      0 {{member.file_size:11}} Nov 20 09:00 {{member.filename}}")
        else:
            file.extract(member, more[1])
"""


@pytest.fixture(params=["stand-in", "real"])
def bsdtar(request, tmp_path, monkeypatch):
    """The real program where it is installed, which reads a zip as well; and a stand-in for it."""
    if request.param == "real":
        if not shutil.which("bsdtar"):
            pytest.skip("bsdtar is not installed (Debian: libarchive-tools)")
        return
    program = tmp_path / "bin" / "bsdtar"
    program.parent.mkdir()
    program.write_text(BSDTAR.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


def test_a_rar_is_left_to_bsdtar(tmp_path, bsdtar):
    """Nothing here makes a rar, so a zip stands in for it behind the choice by content."""
    archive, out = make_zip(tmp_path / "a.rar", {**SONGS, "two words.wav": b"x"}), tmp_path / "out"
    out.mkdir()
    for _ in range(2):  # again over what is there
        unpack._extract_rar(archive, out, 10**6)
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.wav")}
        assert found == {**SONGS, "two words.wav": b"x"}
    with pytest.raises(UserError, match="would grow to"):
        unpack._extract_rar(archive, out, 100)
    with pytest.raises(UserError, match="leads out of the folder"):
        unpack._extract_rar(make_zip(tmp_path / "b.rar", {"../evil.wav": b"evil"}), out, 10**6)


def test_a_rar_without_bsdtar_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(UserError, match="needs the program bsdtar .*apt install libarchive-tools"):
        extract(tmp_path / "a.rar", tmp_path / "out", workers(1))


def test_a_damaged_archive_is_one_line_and_leaves_no_half_file(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"vocals.wav": CONTENT[:100_000]})
    content = bytearray(archive.read_bytes())
    content[50_000] ^= 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        extract(archive, tmp_path / "out", workers(1))
    assert not (tmp_path / "out" / "vocals.wav").exists()
    archive.write_bytes(b"words")
    with pytest.raises(UserError, match="is not a zip, tar or rar"):
        extract(archive, tmp_path / "out", workers(1))


def test_odd_names_and_members_are_one_line_or_just_right(tmp_path):
    long = f"{'x' * 246}.wav"
    extract(make_zip(tmp_path / "long.zip", {long: b"x"}), tmp_path / "long", workers(1))
    assert (tmp_path / "long" / long).read_bytes() == b"x"
    for number, names in enumerate((("a", "a/b"), (".",))):
        with pytest.raises(UserError, match="is damaged"):
            extract(make_zip(tmp_path / f"{number}.zip", dict.fromkeys(names, b"x")), tmp_path / str(number), workers(1))


def test_a_tar_whose_last_file_is_a_zip_is_a_tar(tmp_path):
    inner = make_zip(tmp_path / "inner.zip", {"inner.wav": b"x"}).read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name, content in (("a.wav", b"a"), ("z.zip", inner)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    extract(tmp_path / "a.tar", tmp_path / "out", workers(1))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav", "z.zip"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_killed_extraction_goes_on(tmp_path, make):
    files = {f"{number:03}.wav": CONTENT[:500_000] for number in range(60)}
    archive, out = make(tmp_path / "archive", files), tmp_path / "out"
    code = (
        "from pathlib import Path; from unsung.data.unpack import extract; from unsung.config.schema import Compute;"
        "compute = Compute(scheduler='', workers=1, loader_workers=0, tensorboard=False, wandb=False);"
        f"extract(Path({str(archive)!r}), Path({str(out)!r}), compute)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 30
    while len(list(out.glob("*.wav"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = {path: path.stat().st_mtime_ns for path in out.glob("*.wav")}
    assert 5 <= len(there) < 60 and all(path.read_bytes() == CONTENT[:500_000] for path in there)
    extract(archive, out, workers(1))
    assert {path.name: path.read_bytes() for path in out.glob("*.wav")} == files
    assert all(path.stat().st_mtime_ns == before for path, before in there.items())


def test_a_disk_that_fills_up_is_one_line(tmp_path):
    """With a real error of the system's: no file may grow beyond 0.3 MB."""
    archive = make_zip(tmp_path / "a.zip", {"a.wav": CONTENT[:200_000], "b.wav": CONTENT[:500_000]})
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        "from pathlib import Path; from unsung.data.unpack import *; from unsung.errors import told_in_one_line as told;"
        "compute = Compute(scheduler='', workers=1, loader_workers=0, tensorboard=False, wandb=False);"
        f"told()(extract)(Path({str(archive)!r}), Path({str(tmp_path / 'out')!r}), compute)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"unsung: the disk of {tmp_path / 'out'} is full; make room and run again" in done.stderr
    assert [path.name for path in (tmp_path / "out").glob("*.wav")] == ["a.wav"]
