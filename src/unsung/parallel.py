"""One map over tracks for every stage that goes track by track: processes of this machine, or a Dask cluster.

A cluster is any set of `dask worker --nthreads 1` that sees the project's folder under the same path and runs its code. What a
worker had in hand when it died is done again by another; each result arrives once.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import fingerprint

Item = TypeVar("Item")
Result = TypeVar("Result")
CODE = fingerprint([], [Path(__file__).resolve().parent])  # of the code that this process began with
PATIENCE = 10  # seconds to find the scheduler


def over(function: Callable[[Item], Result], items: Iterable[Item], compute: Compute, desc: str) -> list[Result]:
    """Apply `function` to every item, with a progress bar; the results keep the items' order.

    On the cluster whose scheduler is at `compute.scheduler`, or else in `compute.workers` processes. Every process computes on
    one thread, also when there is only one, so the result does not depend on their number.

    Raises:
        UserError: the cluster is not there, cannot see the project, runs other code, or loses its workers again and again.
    """
    items = list(items)
    with tqdm(desc=desc, total=len(items), unit="track", mininterval=0.5) as bar:
        if compute.scheduler and items:
            return _on_cluster(function, items, compute.scheduler, bar)
        jobs = (delayed(_on_one_thread)(function, item) for item in items)
        found = []
        for result in Parallel(n_jobs=max(1, min(compute.workers, len(items))), return_as="generator")(jobs):
            found.append(result)
            bar.update()
        return found


def default_workers(gigabytes: float = 4.0) -> int:
    """As many processes as there are cores, if each may hold so much of the memory that is free."""
    return max(1, min(os.cpu_count() or 1, int(psutil.virtual_memory().available / 1e9 / gigabytes)))


def _on_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    with threadpool_limits(1):
        return function(item)


def _on_cluster(function: Callable[[Item], Result], items: Sequence[Item], address: str, bar: tqdm) -> list[Result]:
    """Results are fetched as they come, so that of a worker that dies only unfinished work is done again."""
    from distributed import Client, KilledWorker, as_completed  # here, for they take half a second to import

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError):
        raise UserError(f"no Dask scheduler answers at compute.scheduler {address}; start one, or set it to '' again") from None
    with client, client.as_current():
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise UserError(f"the Dask scheduler at {address} has no workers; start some (docs/design.md)") from None
        futures = client.map(partial(_far_away, function, Path.cwd(), CODE), items, pure=False)
        places, found = {future.key: place for place, future in enumerate(futures)}, dict[int, Result]()
        try:
            for future, result in as_completed(futures, with_results=True):
                if future.status != "finished":  # a lost scheduler gives its cancelled futures as if they were results
                    raise UserError(f"the cluster at {address} was lost; what is done is kept where the stage can, run again")
                found[places[future.key]] = result
                bar.update()
        except KilledWorker as error:
            raise UserError(f"the cluster at {address} lost its workers again and again ({error}); see their memory") from None
        finally:
            client.cancel(futures)
    return [found[place] for place in range(len(items))]


def _far_away(function: Callable[[Item], Result], home: Path, code: str, item: Item) -> Result:
    """Work in the submitter's folder, or refuse: results of other code must not be taken for this one's."""
    if code != CODE:
        raise UserError("a Dask worker runs other code than this run; start the workers anew, with this project's Python")
    try:
        os.chdir(home)
    except OSError:
        raise UserError(f"a Dask worker cannot see {home}; the folder must be there for all workers under this path") from None
    return _on_one_thread(function, item)
