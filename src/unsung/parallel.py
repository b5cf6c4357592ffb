"""A parallel map over tracks: processes of this machine, or a Dask cluster.

A cluster is any set of `dask worker --nthreads 1` that runs the same code and sees the project's
folder under the same path. If a worker dies, another one does its unfinished work again.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import psutil
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from unsung.config.schema import Compute
from unsung.errors import UserError
from unsung.files import fingerprint

Item = TypeVar("Item")
Result = TypeVar("Result")
CODE = fingerprint([], [Path(__file__).resolve().parent])  # of the code when this process started
TIMEOUT = 10  # seconds to find the scheduler, and workers


def over(function: Callable[[Item], Result], items: Iterable[Item], compute: Compute, desc: str) -> list[Result]:
    """Apply `function` to every item, with a progress bar; results are in the order of the items.

    It runs on the cluster at `compute.scheduler`, or else in `compute.workers` processes. Each has
    one thread, even if it is the only process, so the result does not depend on their number.

    Raises:
        UserError: a process was killed; the cluster is not there, cannot see the project, runs
            other code, or is lost.
    """
    items = list(items)
    with tqdm(desc=desc, total=len(items), unit="track", mininterval=0.5) as bar:
        if compute.scheduler and items:
            return _on_cluster(function, items, compute.scheduler, bar)
        results = []
        try:
            for result in _on_this_machine(function, items, min(compute.workers, len(items))):
                results.append(result)
                bar.update()
        except BrokenExecutor:
            raise UserError("a process was killed, most likely because the memory is full; take fewer workers") from None
        return results


def _on_this_machine(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """The results in the order of the items; one worker is this process itself."""
    if workers <= 1:
        return (_on_one_thread(function, item) for item in items)
    from joblib import Parallel, delayed  # here: it takes a fifth of a second to import

    with _deaf_children():
        return Parallel(n_jobs=workers, return_as="generator")(delayed(_on_one_thread)(function, item) for item in items)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that are started here not hear Ctrl-C: this one hears it, and ends them."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def default_workers(gigabytes: float = 4.0) -> int:
    """One process for each core that is ours, or fewer, so that each has so much of free memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().available / 1e9 / gigabytes)))


def _on_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    with _pools(len(sys.modules)).limit(limits=1):
        return function(item)


@lru_cache(maxsize=1)
def _pools(modules: int) -> ThreadpoolController:
    """The thread pools of this process; finding them takes 10 ms, so only if more was imported."""
    return ThreadpoolController()


def _on_cluster(function: Callable[[Item], Result], items: Sequence[Item], address: str, bar: tqdm) -> list[Result]:
    """Fetch results as they come, so that only the unfinished work of a dead worker is repeated."""
    from distributed import Client, KilledWorker, as_completed  # here: it takes half a second to import

    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError):
        raise UserError(f"no Dask scheduler answers at compute.scheduler {address}; start one, or set it to '' again") from None
    with client, client.as_current():
        try:
            client.wait_for_workers(1, timeout=TIMEOUT)
        except TimeoutError:
            raise UserError(f"the Dask scheduler at {address} has no workers; start some (docs/design.md)") from None
        futures = client.map(partial(_on_worker, function, Path.cwd(), CODE), items, pure=False)
        results = dict[Any, Result]()
        try:
            for future, result in as_completed(futures, with_results=True):
                if future.status != "finished":  # after losing the scheduler, cancelled futures come as results
                    raise UserError(f"the cluster at {address} was lost; what is done is kept where the stage can, run again")
                results[future.key] = result
                bar.update()
        except KilledWorker as error:
            raise UserError(f"the cluster at {address} lost its workers again and again ({error}); see their memory") from None
        finally:
            client.cancel(futures)
    return [results[future.key] for future in futures]


def _on_worker(function: Callable[[Item], Result], home: Path, code: str, item: Item) -> Result:
    """Work in the submitter's folder, or refuse if this worker runs other code."""
    if code != CODE:
        raise UserError("a Dask worker runs other code than this run; start the workers anew, with this project's Python")
    try:
        os.chdir(home)
    except OSError:
        raise UserError(f"a Dask worker cannot see {home}; the folder must be there for all workers under this path") from None
    return _on_one_thread(function, item)
