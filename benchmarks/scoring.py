"""Compare BSSEval with museval: difference of the scores, speed, memory.

Both score each case, each time in a new process with one BLAS thread. Estimates are the sources
with a little of each other and noise. `off` is the largest difference of a score in dB, and says if
other frames have no score. GB is the peak of the process, signals included. The songs of
`../shared/data/everything_is_free` are scored if they are there. A codec left their top band empty,
so museval's ISR, SIR and SAR depend on rounding: `itself` is museval's difference from museval with
20 s of silence after the track.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy

import argparse
import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context

import numpy as np
import soundfile
from common import ROOT, peak_gigabytes, seconds, table

from unsung.scoring.bsseval import BSSEval
from unsung.scoring.scorer import museval_metrics

SHARED, RATE, TAPS = ROOT.parent / "shared" / "data" / "everything_is_free", 44_100, 512
Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def unsung(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """(measure, source, frame)."""
    return BSSEval(references, RATE, TAPS).images(estimates)


def museval(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """The same, from float64, which museval reads from files."""
    both = references.astype(np.float64), estimates.astype(np.float64)
    return np.stack(museval_metrics().bss_eval(*both, window=RATE, hop=RATE, filters_len=TAPS)[:4])


def noise(sources: int, length: float) -> np.ndarray:
    """Correlated stereo sources."""
    references = np.random.default_rng(0).standard_normal((sources, round(length * RATE), 2), dtype=np.float32)
    references[1:] += 0.3 * references[:1]
    return 0.1 * references


def song(name: str, start: float, length: float) -> np.ndarray:
    """Vocals and accompaniment of a real song."""
    place = {"start": round(start * RATE), "frames": round(length * RATE), "dtype": "float32"}
    return np.stack([soundfile.read(SHARED / name / f"{stem}.ogg", **place)[0] for stem in ("vocals", "accompaniment")])


def estimates_of(references: np.ndarray) -> np.ndarray:
    """Each source with some of the next, some of its own past, and noise."""
    noise = np.random.default_rng(1).standard_normal(references.shape, dtype=np.float32)
    leaks = 0.2 * np.roll(references, 1, axis=0)
    return references + leaks + 0.1 * np.roll(references, 5, axis=1) + np.float32(0.003) * noise


def measure(scorer: Scorer, make: Callable[[], np.ndarray], silence: int = 0) -> tuple[np.ndarray, float, float]:
    """Scores, seconds and peak memory (GB), measured in a new process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (scorer, make, silence))


def _measured(scorer: Scorer, make: Callable[[], np.ndarray], silence: int) -> tuple[np.ndarray, float, float]:
    references = make()
    both = references, estimates_of(references)
    references, estimates = (np.pad(x, ((0, 0), (0, silence), (0, 0))) for x in both)
    scorer(references[:, : 2 * RATE, :], estimates[:, : 2 * RATE, :])  # warm up
    scores: list[np.ndarray] = []
    taken = seconds(lambda: scores.append(scorer(references, estimates)))
    return scores[0], taken, peak_gigabytes()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float, nargs="?", default=240.0, help="of the long track")
    long = parser.parse_args().seconds
    cases = {
        "2 sources, 30 s": partial(noise, 2, 30.0),
        f"2 sources, {long:g} s": partial(noise, 2, long),
        "4 sources, 30 s": partial(noise, 4, 30.0),
        f"4 sources, {long:g} s": partial(noise, 4, long),
    }
    if SHARED.exists():
        cases |= {f"{name}, 30 s": partial(song, name, 60.0, 30.0) for name in ("Caesium", "Francium", "Hydrogen")}
    rows = []
    for title, case in cases.items():
        (mine, ours, memory), (his, theirs, his_memory) = (measure(scorer, case) for scorer in (unsung, museval))
        alike = np.array_equal(np.isnan(mine), np.isnan(his))
        itself = ""
        if "sources" not in title:
            again = measure(museval, case, 20 * RATE)[0][..., : his.shape[2]]
            itself = f"{np.nanmax(np.abs(again - his)):.1e}"
        off = f"{np.nanmax(np.abs(mine - his)):.1e}{'' if alike else ', other frames!'}"
        times = [f"{ours:.2f}", f"{theirs:.1f}", f"{theirs / ours:.1f}"]
        rows.append([title, *times, f"{memory:.2f}", f"{his_memory:.2f}", off, itself])
        print(rows[-1], file=sys.stderr, flush=True)
    print(table(("stereo, 44.1 kHz", "s", "museval s", "times as fast", "GB", "museval GB", "off (dB)", "itself (dB)"), rows))


if __name__ == "__main__":
    main()
