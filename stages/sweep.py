"""Separate the validation tracks with several numbers of network calls, and score each number."""

from functools import partial

from stages import MODELS, REPORTS, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.separation import Method
from unsung.sweep import over_tracks, sweep_track
from unsung.validation import valid_plan


def main() -> None:
    params = load_params()
    method, plan = Method.of(MODELS / "best", params), valid_plan(params)
    work = partial(sweep_track, method=method, plan=plan, sweep=params.sweep)
    tables = parallel.over(work, read_index(STEMS / "valid"), params.compute, desc="sweep")
    with atomically(REPORTS / "calls.csv") as partial_file:
        over_tracks(tables).to_csv(partial_file, index=False, float_format="%.4f")


if __name__ == "__main__":
    with told_in_one_line():
        main()
