import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from contextlib import suppress
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
    before = kept.stat().st_ctime_ns
    extract(archive, out, workers(count))
    assert gone.read_bytes() == SONGS["train/Song 1/vocals.wav"] and kept.stat().st_ctime_ns == before


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "train/../../evil.wav", "C:\\evil.wav"])
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_nothing_is_written_outside_the_folder(tmp_path, make, name):
    """zipfile leaves such parts of a path out, tarfile's filter too or refuses."""
    archive = make(tmp_path / "archive", {name: b"evil", **SONGS})
    with suppress(UserError):
        extract(archive, tmp_path / "out", workers(1))
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "out"} and not Path("/evil.wav").exists()


def test_a_link_that_leads_out_of_the_folder_is_one_line(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("train/link.wav")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(member)
    with pytest.raises(UserError, match="link to an absolute path"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out", workers(1))


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_what_does_not_fit_on_the_disk_is_not_begun(tmp_path, make, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(UserError, match="make room and run again"):
        extract(make(tmp_path / "archive", SONGS), tmp_path / "out", workers(1))
    assert not list((tmp_path / "out").iterdir())


def test_a_tar_that_ends_early_is_one_line_and_its_whole_goes_on(tmp_path):
    archive = make_tar(tmp_path / "a.tar.gz", {"a.wav": CONTENT[:100_000], "b.wav": CONTENT[100_000:200_000]})
    whole = archive.read_bytes()
    archive.write_bytes(whole[:150_000])
    with pytest.raises(UserError, match="is damaged"):
        extract(archive, tmp_path / "out", workers(1))
    before = (tmp_path / "out" / "a.wav").stat().st_ctime_ns
    archive.write_bytes(whole)
    extract(archive, tmp_path / "out", workers(1))
    assert (tmp_path / "out" / "b.wav").read_bytes() == CONTENT[100_000:200_000]
    assert (tmp_path / "out" / "a.wav").stat().st_ctime_ns == before


BSDTAR = """#!{python}
import sys, zipfile
what, archive, _, folder = sys.argv[1:]
assert what == "-xf"
try:
    zipfile.ZipFile(archive).extractall(folder)
except zipfile.BadZipFile:
    sys.exit("bsdtar: Error opening archive: Unrecognized archive format")
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
        unpack._extract_rar(archive, out)
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.wav")}
        assert found == {**SONGS, "two words.wav": b"x"}
    (tmp_path / "b.rar").write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(UserError, match="bsdtar cannot extract .*b.rar"):
        extract(tmp_path / "b.rar", out, workers(1))


def test_a_rar_without_bsdtar_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(UserError, match="needs the program bsdtar .*apt install libarchive-tools"):
        extract(tmp_path / "a.rar", tmp_path / "out", workers(1))


def test_a_damaged_archive_is_one_line_and_its_half_file_is_not_taken_for_a_whole_one(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"vocals.wav": CONTENT[:100_000]})
    whole = archive.read_bytes()
    archive.write_bytes(whole[:50_000] + bytes([whole[50_000] ^ 255]) + whole[50_001:])
    with pytest.raises(UserError, match="is damaged"):
        extract(archive, tmp_path / "out", workers(1))
    archive.write_bytes(whole)
    extract(archive, tmp_path / "out", workers(1))
    assert (tmp_path / "out" / "vocals.wav").read_bytes() == CONTENT[:100_000]
    archive.write_bytes(b"words")
    with pytest.raises(UserError, match="is not a zip, tar or rar"):
        extract(archive, tmp_path / "out", workers(1))


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
    there = {path: path.stat().st_ctime_ns for path in out.glob("*.wav") if path.stat().st_size == 500_000}
    assert 4 <= len(there) < 60
    extract(archive, out, workers(1))
    assert {path.name: path.read_bytes() for path in out.glob("*.wav")} == files
    assert all(path.stat().st_ctime_ns == before for path, before in there.items())


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
    assert (tmp_path / "out" / "a.wav").read_bytes() == CONTENT[:200_000]
