"""Separate the validation tracks with other numbers of network calls, to see what they are worth."""

from functools import partial

from stages import MODELS, REPORTS, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.validation import over_tracks, sweep_track


def main() -> None:
    params = load_params()
    work = partial(sweep_track, model=MODELS / "best", params=params)
    found = parallel.over(work, read_index(STEMS / "valid"), params.compute, desc="sweep")
    with atomically(REPORTS / "steps.csv") as partial_file:
        over_tracks(found).to_csv(partial_file, index=False, float_format="%.4f")


if __name__ == "__main__":
    with told_in_one_line():
        main()
