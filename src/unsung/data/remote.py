"""An archive on a server: what is known of it, and where its files lie after the download."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Remote:
    """A file on a server. The size is for the space that it needs; the checksum decides."""

    url: str
    checksum: str  # such as sha256:baac80d0..., or md5:... where the publisher gives nothing better
    size: int = 0  # bytes
    called: str = ""  # where the URL does not end with the file's name

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.called or PurePosixPath(self.url.split("?")[0]).name

    @property
    def algorithm(self) -> str:
        """Of the checksum."""
        return self.checksum.split(":")[0]

    @property
    def place(self) -> Path:
        """The folder of its files, in the main checkout: no other params or code fetch it again."""
        folder = f"{self.name.split('.')[0]}-{self.checksum[-8:]}"
        return Path(os.environ.get("DVC_ROOT", "."), ".scratch", "datasets", folder)
