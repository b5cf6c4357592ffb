import json
import os
import subprocess
import sys
import time
from functools import partial

import dask
import pytest
from distributed import LocalCluster

from tests.conftest import ROOT, workers
from tests.tasks import die, fail, linger, product, relative, solve_threads, square, strike
from unsung import parallel
from unsung.errors import UserError
from unsung.files import sha256


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of a real cluster."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as found:
        yield found


@pytest.fixture(params=["one process", "two processes", "cluster"])
def compute(request):
    if request.param == "cluster":
        return workers(1, request.getfixturevalue("cluster").scheduler_address)
    return workers(1 if request.param == "one process" else 2)


def test_results_keep_the_order(compute):
    found = parallel.over(square, range(7), compute, "test")
    assert [x for x, _ in found] == [x * x for x in range(7)]
    here = {pid for _, pid in found} == {os.getpid()}
    assert here == (compute.workers == 1 and not compute.scheduler)  # how many others is theirs: joblib may replace one midway


def test_an_error_arrives_as_it_was(compute):
    with pytest.raises(UserError, match="is wrong"):
        parallel.over(fail, range(3), compute, "test")


def test_nothing_gives_nothing(compute):
    assert parallel.over(square, [], compute, "test") == []


def test_the_result_does_not_depend_on_the_workers(compute):
    assert parallel.over(product, range(3), workers(1), "test") == parallel.over(product, range(3), compute, "test")


def test_linear_algebra_runs_on_one_thread(compute):
    """With two, museval's solutions differ in the last digits from one machine to the next."""
    from unsung.scoring.scorer import museval_metrics  # as a stage does: imported before the work begins

    assert museval_metrics()
    assert all(threads == {1} for threads in parallel.over(solve_threads, range(2), compute, "test"))


def test_as_many_processes_as_memory_allows(monkeypatch):
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    for gigabytes, expected in ((100, 16), (9, 2), (1, 1)):
        available = type("Memory", (), {"available": gigabytes * 1e9})
        monkeypatch.setattr(parallel.psutil, "virtual_memory", lambda available=available: available)
        assert parallel.default_workers(4.0) == expected


def test_workers_are_no_more_than_the_cores_that_are_ours(monkeypatch):
    monkeypatch.setattr(parallel.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1e12}))
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {1, 3}, raising=False)
    assert parallel.default_workers() == 2
    monkeypatch.delattr(parallel.os, "sched_getaffinity")  # as on macOS and Windows
    assert parallel.default_workers() == 16


def test_workers_of_a_cluster_work_in_the_folder_of_the_run(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = parallel.over(relative, ["a", "b"], workers(1, cluster.scheduler_address), "test")
    assert found == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_worker_that_is_killed_midway_costs_no_track(tmp_path):
    """Each track is there once; only what the dead worker had not handed over is repeated."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        jobs = [(number, tmp_path) for number in range(20)]
        found = parallel.over(linger, jobs, workers(1, cluster.scheduler_address), "test")
    assert [number for number, _ in found] == list(range(20))
    victim = int((tmp_path / "victim").read_text())
    begun = [path.name.split("-")[0] for path in tmp_path.glob("*.begun")]
    done = [path.name.split("-")[0] for path in tmp_path.glob("*.done")]
    assert set(begun) == set(done) == {str(number) for number in range(20)}
    assert dict(found)[3] != victim and not (tmp_path / f"3-{victim}.done").exists()
    again = {number for number in begun if begun.count(number) > 1}
    assert "3" in again and len(again) < 10


def test_work_that_kills_every_worker_is_one_line(tmp_path):
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),  # by default four workers die, one after the other
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        pytest.raises(UserError, match="lost its workers again and again"),
    ):
        parallel.over(die, [1], workers(1, cluster.scheduler_address), "test")


def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(UserError, match="a process was killed, most likely because the memory is full; take fewer workers"):
        parallel.over(die, range(2), workers(2), "test")


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(parallel, "TIMEOUT", 1)
    with pytest.raises(UserError, match="no Dask scheduler answers at compute.scheduler tcp://127.0.0.1:9"):
        parallel.over(square, [1], workers(1, "tcp://127.0.0.1:9"), "test")


def test_a_scheduler_without_workers_is_one_line(monkeypatch):
    monkeypatch.setattr(parallel, "TIMEOUT", 1)
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(UserError, match="has no workers; start some"),
    ):
        parallel.over(square, [1], workers(1, cluster.scheduler_address), "test")


DASK = "import sys; from distributed.cli.dask_{0} import main; main(sys.argv[1:])"  # as the command `dask {0}`


def test_a_scheduler_that_dies_is_never_taken_for_done(tmp_path):
    """As a user starts them: dask scheduler and dask worker, each a process of its own."""
    address = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    where = ["--scheduler-file", str(address), "--no-dashboard"]
    processes = [
        subprocess.Popen([sys.executable, "-c", DASK.format(kind), *where, *more], env=environment, stderr=subprocess.DEVNULL)
        for kind, more in (("scheduler", ["--port", "0"]), ("worker", ["--nthreads", "1"]))
    ]
    try:
        deadline = time.monotonic() + 60
        while not (address.exists() and address.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.1)
        compute = workers(1, json.loads(address.read_text())["address"])
        assert [x for x, _ in parallel.over(square, range(3), compute, "test")] == [0, 1, 4]
        jobs = [(number, tmp_path, processes[0].pid) for number in range(10)]
        with pytest.raises(UserError, match="was lost"):
            parallel.over(strike, jobs, compute, "test")
        assert len(list(tmp_path.glob("*.done"))) < 10
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_the_stages_own_work_on_a_cluster_gives_the_same_bytes(cluster, tmp_path, raw_tracks, params):
    from unsung.data.shards import Settings, write_shards
    from unsung.data.stems import prepare

    hashes = {}
    for name, compute in (("here", workers(1)), ("there", workers(1, cluster.scheduler_address))):
        work = partial(prepare, folder=tmp_path / name / "stems", wanted=params.audio)
        tracks = [track for track, _ in parallel.over(work, raw_tracks, compute, "resample")]
        write_shards(tmp_path / name / "shards", tracks, Settings.of(params), params.shards.megabytes, compute)
        found = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        hashes[name] = {path.relative_to(tmp_path / name): sha256(path) for path in found}
    assert hashes["here"] == hashes["there"] and len(hashes["here"]) > 12


def test_workers_that_run_other_code_or_see_no_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="runs other code than this run; start the workers anew"):
        parallel._on_worker(square, tmp_path, "another fingerprint", 1)
    with pytest.raises(UserError, match="cannot see .*gone"):
        parallel._on_worker(square, tmp_path / "gone", parallel.CODE, 1)
