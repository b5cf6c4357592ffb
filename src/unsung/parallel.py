"""One map over tracks for every stage that goes track by track."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def over(function: Callable[[Item], Result], items: Iterable[Item], workers: int, desc: str) -> list[Result]:
    """Apply `function` to every item in `workers` processes, with a progress bar; the results keep the items' order.

    Every process computes on one thread, also when there is only one, so the result does not depend on their number.
    """
    items = list(items)
    jobs = (delayed(_on_one_thread)(function, item) for item in items)
    results = Parallel(n_jobs=max(1, min(workers, len(items))), return_as="generator")(jobs)
    return list(tqdm(results, desc=desc, total=len(items), unit="track", mininterval=0.5))


def _on_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    with threadpool_limits(1):
        return function(item)
