"""Separate recordings with one system, in a process of its own, on one thread.

    python -m peers.worker MODULE < JOBS

JOBS has a job in JSON on each line. The process keeps to one processor, so that nothing is computed
in parallel. It loads NumPy and what its system needs, so that its memory is the system's own. What
it did is kept job by job: a run that is killed loses one recording.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

RATE = 44_100  # Hz, of all systems
WARM_UP = 1.0  # seconds of noise
INTERRUPTED = 130  # the exit code: 128 + SIGINT


@dataclass(frozen=True)
class Job:
    """A mixture (frame, channel) in a .npy file, and where the estimate goes."""

    mixture: str
    estimate: str
    sample_rate: int

    @property
    def line(self) -> str:
        """As the worker reads it."""
        return json.dumps(asdict(self))


def memory(name: str) -> int:
    """Bytes of memory of this process: VmRSS, those of now, or VmHWM, the most so far (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def vocals_of(mixture: np.ndarray, sample_rate: int, separate: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """The vocals as the mixture has its samples, and the time that the system itself took.

    Systems get 44.1 kHz stereo. One channel becomes two that are alike, and their mean comes back.
    """
    channels = mixture.shape[1]
    stereo = np.repeat(mixture, 2, axis=1) if channels == 1 else mixture
    song = np.ascontiguousarray(soxr.resample(stereo, sample_rate, RATE))
    wall, cpu = time.perf_counter(), time.process_time()
    estimate = separate(song)
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    back = soxr.resample(np.ascontiguousarray(estimate), RATE, sample_rate)[: len(mixture)]
    back = np.pad(back, ((0, len(mixture) - len(back)), (0, 0)))  # resampled twice, it may lack a sample
    return {"vocals": back.mean(axis=1, keepdims=True) if channels == 1 else back, **taken}


def work(module: str, jobs: list[Job]) -> None:
    """Do all jobs in their order."""
    driver = importlib.import_module(f"peers.{module}")
    before = memory("VmRSS")
    separate = driver.load()
    separate(0.1 * np.random.default_rng(0).standard_normal((round(WARM_UP * RATE), 2), dtype=np.float32))
    for job in jobs:
        done = vocals_of(np.load(job.mixture), job.sample_rate, separate)
        peak = memory("VmHWM")
        partial = Path(f"{job.estimate}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.savez(file, **done, peak=peak, own=peak - before)
        partial.replace(job.estimate)
        print(job.estimate, flush=True)


def main() -> None:
    """Read the jobs and do them."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        work(sys.argv[1], [Job(**json.loads(line)) for line in sys.stdin])
    except (KeyboardInterrupt, BrokenPipeError):  # stopped together with what started it, or after
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
