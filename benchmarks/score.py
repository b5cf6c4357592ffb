"""Compare `unsung score` with museval as a user runs them: two minutes of two stereo sources.

Each is a program that starts, reads the four WAV files, scores, and prints. Both run on one thread,
in turn. museval is its command `bsseval` without an output folder: windows and hops of 1 s. It
computes BSSEval v4 alone; `unsung score` all its scores. Where the programs ffmpeg and ffprobe are
missing, which museval wants to see, empty ones stand in their place. Times are of the wall and of
the processor, which other work on the machine disturbs less; ratios are medians over the pairs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
from common import ROOT, table
from scoring import RATE, estimates_of, noise

STEMS = ("vocals", "accompaniment")
UNSUNG = "from unsung.cli import run; run()"
MUSEVAL = "import sys, museval; print(museval.eval_dir(*sys.argv[1:]))"  # what museval.cli.bsseval does


def write(folder: Path, seconds: float) -> None:
    """Write references/song and estimates/song, with 16 bits."""
    references = noise(2, seconds)
    for side, stems in (("references", references), ("estimates", estimates_of(references))):
        (folder / side / "song").mkdir(parents=True)
        for name, samples in zip(STEMS, stems, strict=True):
            soundfile.write(folder / side / "song" / f"{name}.wav", samples, RATE)


def programs(folder: Path) -> None:
    """Write programs that museval's import looks for, and which scoring WAV files never calls."""
    folder.mkdir()
    for name in ("ffmpeg", "ffprobe"):
        if not shutil.which(name):
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)


def measure(code: str, folder: Path, *arguments: str) -> np.ndarray:
    """Seconds of the wall and of the processor that a program in Python takes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    environment["PATH"] = os.pathsep.join([str(folder / "programs"), os.environ.get("PATH", "")])
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{code} failed")
    return np.array([time.perf_counter() - start, used.ru_utime + used.ru_stime])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=int, nargs="?", default=3, help="of runs, one after the other")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the song")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, options.seconds)
        programs(folder / "programs")
        rows, ratios = [], []
        for pair in range(1, options.pairs + 1):
            mine = measure(UNSUNG, folder, "score", "references", "estimates", "--workers", "1")
            his = measure(MUSEVAL, folder, "references/song", "estimates/song")
            ratios.append(his / mine)
            rows.append([pair, *(f"{value:.2f}" for both in zip(mine, his, his / mine, strict=True) for value in both)])
            print(rows[-1], file=sys.stderr, flush=True)
    names = [f"{who}{what}" for what in ("s", "CPU s") for who in ("", "museval ", "times ")]
    print(table(["pair", *names], rows))
    wall, processor = (median(values) for values in zip(*ratios, strict=True))
    print(f"\nmuseval takes {wall:.1f} times the time, {processor:.1f} times the processor's")


if __name__ == "__main__":
    main()
