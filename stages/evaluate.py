"""Score the estimates, the mixture and the oracle ideal ratio mask on the test tracks."""

import os
import platform

if __name__ == "__main__" and platform.machine() in ("x86_64", "AMD64"):
    # One code path for every x86-64 machine, before numpy is imported: the least squares magnify
    # last digits to differences of up to 4e-6 dB, too large for the rounding below. Every processor
    # that numpy runs on has Nehalem's instructions; scoring the demo takes hardly longer with them.
    os.environ.setdefault("OPENBLAS_CORETYPE", "Nehalem")
    os.environ.setdefault("NPY_DISABLE_CPU_FEATURES", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR")

from functools import partial
from itertools import chain

from stages import SCORES, SEPARATED, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.scoring.evaluation import rounded, score_track


def main() -> None:
    params = load_params()
    tracks = read_index(STEMS / "test")
    found = parallel.over(partial(score_track, estimates=SEPARATED, params=params), tracks, params.compute, desc="score")
    for name, tables in zip(("frames", "tracks"), zip(*found, strict=True), strict=True):
        with atomically(SCORES / f"{name}.parquet") as partial_file:
            rounded(chain(*tables)).to_parquet(partial_file, index=False)


if __name__ == "__main__":
    with told_in_one_line():
        main()
