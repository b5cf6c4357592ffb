"""Score the estimates, the mixture and the oracle ideal ratio mask on the test tracks."""

from functools import partial

import pandas as pd

from stages import SCORES, SEPARATED, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.scoring.evaluation import score_track


def main() -> None:
    params = load_params()
    tracks = read_index(STEMS / "test")
    found = parallel.over(partial(score_track, estimates=SEPARATED, params=params), tracks, params.compute, desc="score")
    for name, tables in zip(("frames", "tracks"), zip(*found, strict=True), strict=True):
        with atomically(SCORES / f"{name}.parquet") as partial_file:
            pd.concat(tables, ignore_index=True).to_parquet(partial_file, index=False)


if __name__ == "__main__":
    with told_in_one_line():
        main()
