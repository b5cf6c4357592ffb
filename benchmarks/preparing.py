"""Time resample and shard for an hour of song; size of the shards; memory for an hour-long song.

Measured on the demo's songs and on real ones, if they are there. Both steps run as in the stages,
with 1 and 2 workers in turns.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from common import ROOT, compose, hours, peak_gigabytes, real_run, seconds, table

from unsung import parallel
from unsung.config import registry
from unsung.config.params import load_params
from unsung.config.schema import Params
from unsung.data.shards import Settings, write_shards
from unsung.data.stems import prepare
from unsung.data.tracks import Recording, Track

ROUNDS, RATE = 2, 44_100


def resample_and_shard(recordings: list[Recording], params: Params, folder: Path) -> tuple[float, float]:
    """Seconds of each stage; the shards lie in `folder`/shards."""
    tracks: list[Track] = []

    def resample() -> None:
        work = partial(prepare, folder=folder / "stems", wanted=params.audio)
        tracks.extend(track for track, _ in parallel.over(work, recordings, params.compute, "resample"))

    first = seconds(resample)
    second = seconds(lambda: write_shards(folder / "shards", tracks, Settings.of(params), params.shards.megabytes, params.compute))
    return first, second


def measure(name: str, recordings: list[Recording], params: Params) -> list[tuple[str, ...]]:
    """A row for each number of workers: the fastest of the rounds."""
    length = hours(recordings)
    taken: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    size = 0.0
    for _ in range(ROUNDS):
        for workers, times in taken.items():
            with tempfile.TemporaryDirectory() as folder:
                compute = params.compute.model_copy(update={"workers": workers})
                times.append(resample_and_shard(recordings, params.model_copy(update={"compute": compute}), Path(folder)))
                size = sum(path.stat().st_size for path in Path(folder, "shards").iterdir()) / 1e9
    rows: list[tuple[str, ...]] = []
    alone = min(map(sum, taken[1]))
    for workers, times in taken.items():
        first, second = min(times, key=sum)
        per_hour = (f"{first / length:.0f}", f"{second / length:.0f}", f"{length * 3600 / (first + second):.0f}")
        rows.append((name, f"{length:.2f}", str(workers), *per_hour, f"{alone / (first + second):.2f}", f"{size / length:.1f}"))
    return rows


def an_hour() -> None:
    """A song of an hour at 44.1 kHz stereo, in a process of its own to measure its peak memory."""
    rng, params = np.random.default_rng(0), real_run(workers=1)
    with tempfile.TemporaryDirectory() as folder:
        stems = {}
        for stem in ("vocals", "drums", "bass", "other"):
            stems[stem] = Path(folder, f"{stem}.wav")
            with soundfile.SoundFile(str(stems[stem]), "w", RATE, 2) as file:
                for _ in range(3600):
                    file.write(rng.standard_normal((RATE, 2), dtype=np.float32) / 10)
        before = peak_gigabytes()
        upsampled = params.model_copy(update={"audio": params.audio.model_copy(update={"sample_rate": 48_000})})
        resample_and_shard([Recording.of_files("An Hour", "train", stems)], upsampled, Path(folder))
        print(f"{before:.2f} {peak_gigabytes():.2f}")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=ROOT.parent / "shared" / "data", help="a folder of recordings")
    parser.add_argument("--hour", action="store_true", help="only the memory that a song of an hour needs, before and at the peak")
    arguments = parser.parse_args()
    if arguments.hour:
        an_hour()
    else:
        everything(arguments.data)


def everything(data: Path) -> None:
    """Measure everything and print it as Markdown."""
    small, large = load_params(ROOT / "params.yaml"), real_run()
    karaoke = small.model_copy(update={"audio": small.audio.model_copy(update={"sample_rate": 16_000})})
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        songs = [
            ("demo, 22.05 kHz mono", "demo", Path(folder), small),
            ("demo, 44.1 kHz stereo", "demo", Path(folder), large),
            ("everything_is_free, 44.1 kHz stereo", "folder", data / "everything_is_free", large),
            ("mir1k, 16 kHz mono", "mir1k", data / "mir1k", karaoke),
        ]
        composed = compose(Path(folder), songs=18, seconds=20.0)
        for name, provider, root, params in songs:
            if root.is_dir():
                settings = getattr(composed.providers, provider)
                recordings = list(registry.module(registry.PROVIDERS, provider).tracks(root, settings, composed.model.targets))
                rows += measure(name, recordings, params)
    header = ("songs", "hours", "workers", "resample s/hour", "shard s/hour", "times real time", "times 1 worker", "shards GB/hour")
    print(table(header, rows))
    done = subprocess.run([sys.executable, __file__, "--hour"], capture_output=True, text=True, check=True)
    before, peak = done.stdout.split()[-2:]
    print(
        f"\nOne song of an hour, four stems, stereo, 44.1 to 48 kHz: {peak} GB at the peak, of which {before} GB were the program."
    )


if __name__ == "__main__":
    main()
