"""Work for the workers of tests/test_parallel.py, in a module that is quickly imported."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from unsung.errors import UserError


def square(x: int) -> tuple[int, int]:
    return x * x, os.getpid()


def fail(x: int) -> int:
    raise UserError(f"{x} is wrong")


def product(seed: int) -> bytes:
    values = np.random.default_rng(seed).standard_normal((300, 300))
    return (values @ values).tobytes()


def solve_threads(_: int) -> set[int]:
    from threadpoolctl import threadpool_info

    from unsung.scoring.scorer import museval_metrics

    assert museval_metrics()
    return {library["num_threads"] for library in threadpool_info() if library["internal_api"] == "openblas"}


def relative(name: str) -> str:
    Path(name).write_text(f"{time.time()} {os.getpid()}")
    return str(Path(name).resolve())


def linger(job: tuple[int, Path]) -> tuple[int, int]:
    """Note the beginning, take a while, and note the end."""
    number, log = job
    (log / f"{number}-{os.getpid()}.begun").touch()
    if number == 3 and not (log / "victim").exists():  # the first who comes here dies in the middle of its work
        (log / "victim").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    (log / f"{number}-{os.getpid()}.done").touch()
    return number, os.getpid()


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def strike(job: tuple[int, Path, int]) -> int:
    """Work for a while; the fourth kills the scheduler."""
    number, log, scheduler = job
    if number == 3:
        os.kill(scheduler, signal.SIGKILL)
    time.sleep(0.2)
    (log / f"{number}.done").touch()
    return number
