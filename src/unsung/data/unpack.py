"""Archives extracted so that a killed run goes on: zip and tar by Python, rar by bsdtar.

The archive's checksum was verified, so it holds what its publisher put there. The libraries' own
care is enough: none of the three writes outside the folder.
"""

import shutil
import subprocess
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import IO, cast

from tqdm import tqdm

from unsung import parallel
from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import check_space, room


def extract(archive: Path, folder: Path, compute: Compute) -> None:
    """Extract an archive below `folder`; files that are there in their full size are passed over.

    Raises:
        UserError: it is no archive, is damaged, or does not fit on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with archive.open("rb") as file:
        start = file.read(4)
    try:
        with room(folder):
            if start == b"Rar!":
                _extract_rar(archive, folder)
            elif tarfile.is_tarfile(archive):  # before zip, which may be a tar's last file
                _extract_tar(archive, folder)
            elif zipfile.is_zipfile(archive):
                _extract_zip(archive, folder, compute)
            else:
                raise UserError(f"{archive} is not a zip, tar or rar file; remove it and run again")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{archive} is damaged ({error}); remove it and run again") from None


def _missing(path: Path, size: int) -> bool:
    """Whether a file is not there as a whole: after a kill it is shorter."""
    return not path.is_file() or path.stat().st_size != size


def _extract_zip(archive: Path, folder: Path, compute: Compute) -> None:
    """All files in parallel."""
    with zipfile.ZipFile(archive) as file:
        members = [member for member in file.infolist() if not member.is_dir()]
    missing = [member for member in members if _missing(folder / member.filename, member.file_size)]
    check_space(folder, sum(member.file_size for member in missing), archive.name)
    parallel.over(partial(_unzip, archive, folder), [member.filename for member in missing], compute, desc="extract")


def _unzip(archive: Path, folder: Path, name: str) -> None:
    with zipfile.ZipFile(archive) as file:
        file.extract(name, folder)


def _extract_tar(archive: Path, folder: Path) -> None:
    """In the order of the archive, because a tar has no index."""
    size = archive.stat().st_size
    check_space(folder, size - sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()), archive.name)
    with (
        archive.open("rb") as file,
        tqdm.wrapattr(file, "read", total=size, desc="extract") as watched,
        tarfile.open(fileobj=cast(IO[bytes], watched), mode="r|*") as tar,
    ):
        for member in tar:
            if not member.isfile() or _missing(folder / member.name, member.size):
                tar.extract(member, folder, filter="data")


def _extract_rar(archive: Path, folder: Path) -> None:
    """As a whole, because Python has no reader of rar."""
    if not shutil.which("bsdtar"):
        where = "Debian and Ubuntu: apt install libarchive-tools"
        raise UserError(f"{archive} needs the program bsdtar ({where}); install it, run again")
    check_space(folder, archive.stat().st_size, archive.name)
    done = subprocess.run(["bsdtar", "-xf", archive, "-C", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"bsdtar cannot extract {archive} ({done.stderr}); make room on its disk, or remove it, and run again")
