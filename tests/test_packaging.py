"""What the wheel carries."""

import shutil
import subprocess
import sys
from email import message_from_bytes
from zipfile import ZipFile

from ruamel.yaml import YAML

from tests.conftest import ROOT
from unsung import __version__


def test_the_wheel_has_licence_types_and_templates(tmp_path):
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "out", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (path,) = (tmp_path / "out").glob("*.whl")
    with ZipFile(path) as wheel:
        names = set(wheel.namelist())
        about = f"unsung-{__version__}.dist-info"
        assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert message_from_bytes(wheel.read(f"{about}/METADATA"))["License-Expression"] == "MIT"
    sources = (path for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix not in (".pyc",))
    expected = {path.relative_to(ROOT / "src").as_posix() for path in sources if "egg-info" not in str(path)}
    assert "unsung/py.typed" in expected and {name for name in names if not name.startswith(about)} == expected


def test_the_citation_is_of_this_version():
    found = YAML(typ="safe").load(ROOT / "CITATION.cff")
    assert found["version"] == __version__ and found["license"] == "MIT"
    assert {"cff-version", "message", "title", "authors"} <= found.keys()
