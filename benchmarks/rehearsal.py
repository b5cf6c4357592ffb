"""Rehearse MUSDB18-HQ: the whole preset, from the zip to the report, on a stand-in of the dataset.

The stand-in has MUSDB18-HQ's layout, rates and lengths (four minutes on average), its names of the
songs to validate, two thirds of its songs to train and one third to test. It is the demo's songs at
44.1 kHz stereo, each tiled, shifted and cut for every song, as zip on a server on loopback. A clone
of this checkout runs the preset, with a network and a number of steps that a CPU can do.

Every stage runs twice: with one worker, and with two, killed halfway (SIGKILL to all its processes)
and run again, after which its outs must be the same bytes. Printed are for each stage the seconds
with one worker and with two, kill included, the peak of the memory of all its processes together,
and the disk that the clone takes afterwards; then resample and shard on a Dask cluster of two
workers, whose bytes must be the same, too; and what finding nothing to do takes. Extrapolated is
by the number of songs; training is not. A rehearsal that was stopped goes on with its next stage.
"""

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import soundfile
from common import ROOT, table
from ruamel.yaml import YAML

from unsung.config.params import load_params
from unsung.data.providers import demo, musdb
from unsung.data.providers.musdb import STREAMS
from unsung.files import sha256

RATE, SECONDS, ALL = 44_100, 240.0, 150  # of a song on average; the dataset's songs
STAGES = ("download", "resample", "shard", "train", "sweep", "separate", "evaluate", "report")
PATH_IN_ARCHIVE = "{split}/{name}/{stream}.wav"
DASK = "import sys; from distributed.cli.dask_{0} import main; main(sys.argv[1:])"  # as the command `dask {0}`
FOR_A_CPU = {  # what is changed in the preset, because it is for a GPU
    "networks": {"band_split": {"dim": 32, "blocks": 2, "bands": 16}},
    "train": {"steps": 40, "valid_every": 20, "batch_size": 2, "accelerator": "cpu", "precision": "32-true", "warmup_steps": 5},
    "separate": {"accelerator": "cpu"},
}


@dataclass
class Run:
    """What a command took."""

    seconds: float
    gigabytes: float  # of memory of all its processes together, at most
    killed: bool = False


def lengths(songs: int, mean: float) -> np.ndarray:
    """Seconds of the songs: between a third and twice the mean, as MUSDB18's."""
    drawn = np.exp(0.3 * np.random.default_rng(0).standard_normal(songs))
    return np.clip(drawn / drawn.mean(), 0.33, 2.0) * mean


def names(songs: int) -> list[tuple[str, str]]:
    """(split, name) of the songs: a third is to test, one in seven of the others to validate."""
    train = songs - songs // 3
    validating = sorted(musdb.VALID)[: max(1, train // 7)]
    training = [f"Artist {i:03} - Song {i:03}" for i in range(train - len(validating))]
    return [("train", name) for name in (*validating, *training)] + [
        ("test", f"Band {i:03} - Song {i:03}") for i in range(songs // 3)
    ]


def write_archive(path: Path, songs: int, seconds: float) -> None:
    """Write the zip; the same bytes every time."""
    sources = path.parent / "sources"
    settings = demo.Settings(train=4, valid=1, test=1, seconds=float(np.clip(seconds, 4.0, 60.0)))
    params = load_params(ROOT / "params.yaml")
    demo.compose(sources, settings, 0, params.compute)
    bases = [folder.parent for folder in sorted(sources.rglob("mixture.wav"))]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, ((split, name), length) in enumerate(zip(names(songs), lengths(songs, seconds), strict=True)):
            stems = {
                stream: tiled(bases[number % len(bases)] / f"{stream}.wav", round(length * RATE), number) for stream in STREAMS[1:]
            }
            for stream, samples in {"mixture": np.sum([*stems.values()], axis=0), **stems}.items():
                file = io.BytesIO()
                soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
                entry = zipfile.ZipInfo(PATH_IN_ARCHIVE.format(split=split, name=name, stream=stream), (2019, 8, 1, 0, 0, 0))
                archive.writestr(entry, file.getvalue(), zipfile.ZIP_DEFLATED, 1)


def tiled(path: Path, frames: int, number: int) -> np.ndarray:
    """A recording again and again, each stem of each song from another place, (frame, channel)."""
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    shift = int(np.random.default_rng([number, len(path.stem)]).integers(len(samples)))
    return np.resize(np.roll(samples, -shift, axis=0), (frames, samples.shape[1]))


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """The address of a file on loopback; ranges are served, so that a download goes on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size, asked = path.stat().st_size, self.headers.get("Range")
            first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(size - first))
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
            self.end_headers()
            with path.open("rb") as file:
                file.seek(first)
                try:
                    while block := file.read(2**20):
                        self.wfile.write(block)
                except OSError:  # the client was killed
                    return

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/musdb18hq.zip"
    finally:
        server.shutdown()


def clone(folder: Path, archive: Path, address: str) -> None:
    """A clone of this checkout as it lies here, with the preset and the archive on loopback."""
    run(["git", "clone", "--quiet", str(ROOT), str(folder)], ROOT)
    changed = subprocess.run(["git", "diff", "HEAD", "--name-only"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in changed.stdout.split("\n"):
        if name and (ROOT / name).is_file():
            (folder / name).write_bytes((ROOT / name).read_bytes())
    provider = folder / "src/unsung/data/providers/musdb18hq.py"
    code = provider.read_text()
    begin = code.index("ARCHIVE = Remote(")
    end = code.index("\n)\n", begin)
    remote = f'ARCHIVE = Remote("{address}", "sha256:{sha256(archive)}", {archive.stat().st_size}'
    provider.write_text(code[:begin] + remote + code[end:])
    run([sys.executable, "-c", "from unsung.cli import run; run()", "preset", "musdb18hq"], folder)
    merge(folder / "params.yaml", FOR_A_CPU)


def merge(path: Path, changes: Mapping[str, object]) -> None:
    """Change values of a YAML file and keep its comments."""
    yaml = YAML()
    values = yaml.load(path)

    def put(into: Mapping, some: Mapping) -> None:
        for key, value in some.items():
            if isinstance(value, dict):
                put(into[key], value)
            else:
                into[key] = value  # type: ignore[index]

    put(values, changes)
    yaml.dump(values, path)


def run(command: list[str], folder: Path, kill_after: float | None = None) -> Run:
    """Run a command, or kill it and its processes after some seconds.

    Raises:
        SystemExit: it failed by itself.
    """
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    log = folder / ".scratch.log" if folder != ROOT else Path(os.devnull)
    with log.open("ab") as out:
        start, most = time.perf_counter(), 0
        process = psutil.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True)
        while process.poll() is None:
            most = max(most, memory(process))
            if kill_after is not None and time.perf_counter() - start > kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return Run(time.perf_counter() - start, most / 1e9, killed=True)
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed; see {log}")
    return Run(time.perf_counter() - start, most / 1e9)


def memory(process: psutil.Process) -> int:
    """Bytes of a process and all below it; what they share counts once for each."""
    total = 0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def disk(folder: Path) -> float:
    """Gigabytes of all files below a folder; a file with several names counts once."""
    sizes: dict[int, int] = {}
    for parent, _, files in os.walk(folder):
        for name in files:
            found = Path(parent, name).lstat()
            sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values()) / 1e9


def outs(folder: Path, stage: str) -> list[str]:
    """The hashes of a stage's outs."""
    lock = YAML(typ="safe").load(folder / "dvc.lock")
    return [out["md5"] for out in lock["stages"][stage]["outs"]]


def twice(folder: Path, stage: str) -> tuple[Run, Run]:
    """A stage with one worker, and with two, killed halfway and run again.

    Raises:
        SystemExit: the second run made other bytes.
    """
    dvc = [sys.executable, "-m", "dvc", "repro", "--single-item"]
    merge(folder / "params.yaml", {"compute": {"workers": 1, "loader_workers": 1}})
    alone = run([*dvc, "--force", stage], folder)
    made = outs(folder, stage)
    merge(folder / "params.yaml", {"compute": {"workers": 2}})
    if stage == "download":  # what was downloaded stays, whatever runs again
        shutil.rmtree(folder / ".scratch" / "datasets")
    killed = run([*dvc, "--force", "--no-run-cache", stage], folder, kill_after=alone.seconds / 3)
    resumed = run([*dvc, "--force", "--no-run-cache", stage], folder)
    if outs(folder, stage) != made:
        raise SystemExit(f"{stage} made other bytes with two workers after a kill")
    return alone, Run(killed.seconds + resumed.seconds, max(killed.gigabytes, resumed.gigabytes), killed.killed)


def on_a_cluster(folder: Path, stage: str) -> Run:
    """A stage on a Dask cluster of two workers.

    Raises:
        SystemExit: there is no cluster, or it made other bytes.
    """
    made, address = outs(folder, stage), folder.parent / "scheduler.json"
    address.unlink(missing_ok=True)
    where = ["--scheduler-file", str(address), "--no-dashboard"]
    kinds = {"scheduler": ["--port", "0"], "worker": ["--nthreads", "1", "--nworkers", "2"]}
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    commands = [[sys.executable, "-c", DASK.format(kind), *where, *more] for kind, more in kinds.items()]
    processes = [subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.DEVNULL) for command in commands]
    try:
        deadline = time.monotonic() + 60
        while not (address.exists() and address.stat().st_size):
            if time.monotonic() > deadline:
                raise SystemExit("the Dask scheduler did not start")
            time.sleep(0.1)
        merge(folder / "params.yaml", {"compute": {"scheduler": json.loads(address.read_text())["address"]}})
        done = run([sys.executable, "-m", "dvc", "repro", "--single-item", "--force", "--no-run-cache", stage], folder)
    finally:
        merge(folder / "params.yaml", {"compute": {"scheduler": ""}})
        for process in processes:
            process.terminate()
            process.wait()
    if outs(folder, stage) != made:
        raise SystemExit(f"{stage} made other bytes on a cluster")
    return done


def main() -> None:
    """Make the archive, unless it is there, and run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path, help="a folder; it will hold the archive and the clone")
    parser.add_argument("--songs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a song, on average")
    arguments = parser.parse_args()
    place = arguments.place.resolve()
    place.mkdir(parents=True, exist_ok=True)
    archive, folder = place / "musdb18hq.zip", place / "clone"
    if not archive.exists():
        write_archive(place / "archive.partial", arguments.songs, arguments.seconds)
        (place / "archive.partial").rename(archive)
    done = place / "rows.json"
    rows = json.loads(done.read_text()) if done.exists() else {}
    if not rows:
        shutil.rmtree(folder, ignore_errors=True)
    with serving(archive) as address:
        if not rows:
            clone(folder, archive, address)
            rows["before"] = disk(folder)
        for stage in (stage for stage in STAGES if stage not in rows):
            alone, pair = twice(folder, stage)
            per_song = alone.seconds * ALL / arguments.songs / 60
            rows[stage] = [
                f"{alone.seconds:.0f}",
                f"{pair.seconds:.0f}",
                f"{alone.gigabytes:.1f}",
                f"{pair.gigabytes:.1f}",
                f"{disk(folder) - rows['before']:.1f}",
                "-" if stage == "train" else f"{per_song:.0f}",
                "yes" if pair.killed else "no, it was over",
            ]
            print(stage, *rows[stage], flush=True)
            done.write_text(json.dumps(rows))
        cluster = {stage: on_a_cluster(folder, stage) for stage in ("resample", "shard")}
        status = run([sys.executable, "-m", "dvc", "status"], folder)
        nothing = run([sys.executable, "-m", "dvc", "repro"], folder)
    head = ("stage", "s", "s, two workers", "GB", "GB, two workers", "GB of disk", f"minutes for {ALL} songs", "killed")
    print(table(head, [(stage, *rows[stage]) for stage in STAGES]))
    total = disk(folder) - rows["before"]
    print(f"\n{arguments.songs} songs, zip {archive.stat().st_size / 1e9:.1f} GB. Disk at the end {total:.1f} GB,")
    print(f"for {ALL} songs {total * ALL / arguments.songs:.0f} GB. Nothing to do is found in {nothing.seconds:.1f} s,")
    print(f"dvc status takes {status.seconds:.1f} s. On a Dask cluster of two workers, the same bytes:")
    print(", ".join(f"{stage} {one.seconds:.0f} s" for stage, one in cluster.items()))


if __name__ == "__main__":
    main()
