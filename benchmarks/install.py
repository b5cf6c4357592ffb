"""Install unsung with the oldest and newest releases that it allows: time, size, whether it works.

For both ends of pyproject.toml's ranges: a fresh environment, the wheel with nothing but its
dependencies (downloads included), `pip check`, the time of `unsung --help`, `import unsung` and
`unsung separate`, and tests/smoke.py, which uses every command of the base. It needs the network.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
from common import ROOT, seconds, table

FOLDER = ROOT / ".scratch" / "install"
ROUNDS, SONG = 3, 10  # seconds
TORCH = ("torch", "functorch", "nvidia", "triton", "cuda", "cusparselt")  # begin the names of PyTorch's own folders
COLUMNS = ("releases", "torch", "numpy", "install_s", "MB", "MB_without_torch", "help_s", "import_s", "separate_s")


def oldest() -> list[str]:
    """The lower ends of the ranges of pyproject.toml, as pip's constraints."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [line.split(",")[0].replace(">=", "==") for line in project["dependencies"]]


def run(*command: object, **options: str) -> str:
    """The output of a command, which must succeed."""
    done = subprocess.run([*map(str, command)], cwd=FOLDER, capture_output=True, text=True, env=os.environ | options, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def megabytes(packages: Path) -> tuple[float, float]:
    """The size of all packages but pip's, and of those that are not PyTorch's own."""
    sizes = {path.name: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in packages.iterdir()}
    own = {name: size / 1e6 for name, size in sizes.items() if not name.startswith(("pip", "setuptools", "_distutils"))}
    return sum(own.values()), sum(size for name, size in own.items() if not name.startswith(TORCH))


def measure(which: str, wheel: Path) -> dict[str, object]:
    """Install, time and try one end of the ranges; the environment is removed."""
    home = FOLDER / which
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    python, unsung = home / "bin" / "python", home / "bin" / "unsung"
    constraints = FOLDER / f"{which}.txt"
    constraints.write_text("\n".join(oldest() if which == "oldest" else []) + "\n")
    install = (python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--constraint", constraints)
    taken = seconds(partial(run, *install, wheel))
    run(python, "-m", "pip", "check")
    versions = dict(line.split("==") for line in run(python, "-m", "pip", "freeze").split() if "==" in line)
    print(which, *(f"{name}=={version}" for name, version in versions.items()), file=sys.stderr)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    whole, rest = megabytes(packages)
    t = np.arange(SONG * 44_100) / 44_100
    soundfile.write(FOLDER / "song.wav", 0.3 * np.stack([np.sin(1400 * t), np.sin(2100 * t)], axis=1), 44_100)
    commands = {
        "help_s": (unsung, "--help"),
        "import_s": (python, "-c", "import unsung; unsung.load"),
        "separate_s": (unsung, "separate", "song.wav", "--jobs", 1, "-o"),
    }
    times = {}
    for name, command in commands.items():
        rounds = [[home / f"out{i}"] if command[-1] == "-o" else [] for i in range(ROUNDS + 1)]  # the first one is warming up
        times[name] = [seconds(partial(run, *command, *out)) for out in rounds][1:]
    run(*install, "onnxruntime")
    said = run(python, ROOT / "tests" / "smoke.py", home / "smoke").splitlines()
    print(which, *(line for line in said if line.startswith("smoke:")), file=sys.stderr)
    shutil.rmtree(home)
    measured = {name: round(median(values), 2) for name, values in times.items()}
    sizes = {"install_s": round(taken), "MB": round(whole), "MB_without_torch": round(rest)}
    return {"releases": which, "torch": versions["torch"], "numpy": versions["numpy"], **sizes, **measured}


def main() -> None:
    """Print a table; with --csv also write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["oldest", "newest"], help="one end of the ranges")
    parser.add_argument("--csv", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    source = FOLDER / "source"  # a copy, because a build leaves folders behind
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", FOLDER, source)
    (wheel,) = FOLDER.glob("*.whl")
    rows = [measure(which, wheel) for which in ([arguments.only] if arguments.only else ["oldest", "newest"])]
    print(table(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]))
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
