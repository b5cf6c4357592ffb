import os

import numpy as np
import pytest

from unsung import parallel
from unsung.errors import UserError


def square(x: int) -> tuple[int, int]:
    return x * x, os.getpid()


def fail(x: int) -> int:
    raise UserError(f"{x} is wrong")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order(workers):
    found = parallel.over(square, range(7), workers, "test")
    assert [x for x, _ in found] == [x * x for x in range(7)]
    assert len({pid for _, pid in found}) <= workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_as_it_was(workers):
    with pytest.raises(UserError, match="is wrong"):
        parallel.over(fail, range(3), workers, "test")


def test_nothing_gives_nothing():
    assert parallel.over(square, [], 2, "test") == []


def product(seed: int) -> bytes:
    values = np.random.default_rng(seed).standard_normal((300, 300))
    return (values @ values).tobytes()


def test_the_result_does_not_depend_on_the_workers():
    assert parallel.over(product, range(3), 1, "test") == parallel.over(product, range(3), 2, "test")


def solve_threads(_: int) -> set[int]:
    from threadpoolctl import threadpool_info

    import unsung.scoring

    assert unsung.scoring.museval_metrics
    return {library["num_threads"] for library in threadpool_info() if library["internal_api"] == "openblas"}


@pytest.mark.parametrize("workers", [1, 2])
def test_linear_algebra_runs_on_one_thread(workers):
    """With two, museval's solutions differ in the last digits from one machine to the next."""
    import unsung.scoring  # as a stage does: scoring is imported before the work begins

    assert unsung.scoring.museval_metrics
    assert all(threads == {1} for threads in parallel.over(solve_threads, range(2), workers, "test"))
