"""Compare ways to read training segments, in segments per second.

Segments are 6 s of four stems at 44.1 kHz stereo. The ways are unsung (waveforms from Parquet, and
the same with the STFT that a training step makes of them), Open-Unmix's MUSDBDataset (waveforms; in
an environment of its own, .bench), musdb's chunks (mixture and vocals), and random chunks by
soundfile with their STFT. All use a DataLoader with batches of 4, and the same WAV files or their
shards. These fit into the page cache; `--cold` drops them from it before every batch, as if they
were much larger than memory. Each way has its own process with one thread. The ways take turns; the
fastest round of each counts.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

SECONDS, BATCH, RATE, STEMS = 6.0, 4, 44_100, ("vocals", "drums", "bass", "other")
ROUNDS, LONG = 3, 8.0  # seconds a round
BENCH = Path(__file__).resolve().parent.parent / ".bench" / "bin" / "python"


def unsung(root: Path, workers: int = 0) -> Iterable[dict[str, torch.Tensor]]:
    """unsung, from shards."""
    from common import real_run

    from unsung.data.batches import Segments, loader
    from unsung.data.shards import Settings, Shards

    params = real_run(loader_workers=workers)
    return loader(Segments.of(Shards(root / "shards", "train", Settings.of(params)), params), params)


def with_spectra(root: Path) -> Iterable[torch.Tensor]:
    """unsung, and the spectra of the stems, for which a training on a GPU has the GPU."""
    from unsung.spectrum import Stft

    return (Stft(2048, 512).forward(batch["stems"], within=True) for batch in unsung(root))


def openunmix(root: Path) -> Iterable[object]:
    """Open-Unmix's dataset with its training defaults: random starts of stems, mixed tracks."""
    from openunmix.data import MUSDBDataset

    dataset = MUSDBDataset("vocals", root=str(root), is_wav=True, seq_duration=SECONDS, random_track_mix=True)
    return torch.utils.data.DataLoader(dataset, BATCH, shuffle=True)


class Chunks(torch.utils.data.Dataset):
    """As in musdb's README: a random chunk of a random track, mixture and target."""

    def __init__(self, root: Path) -> None:
        import musdb

        self.tracks = musdb.DB(root=str(root), is_wav=True, subsets="train").tracks

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        track = random.choice(self.tracks)
        track.chunk_duration = SECONDS
        track.chunk_start = random.uniform(0, track.duration - SECONDS)
        return track.audio.T.astype(np.float32), track.targets["vocals"].audio.T.astype(np.float32)


class OnTheFly(torch.utils.data.Dataset):
    """A random chunk of each stem by soundfile, and its STFT."""

    def __init__(self, root: Path) -> None:
        self.folders = sorted(path.parent for path in (root / "train").glob("*/mixture.wav"))
        self.window = torch.hann_window(2048)

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, number: int) -> torch.Tensor:
        import soundfile

        stems = []
        for stem in STEMS:
            with soundfile.SoundFile(str(random.choice(self.folders) / f"{stem}.wav")) as file:
                file.seek(random.randrange(file.frames - int(SECONDS * RATE)))
                stems.append(file.read(int(SECONDS * RATE), dtype="float32", always_2d=True).T)
        spectra = torch.stft(torch.from_numpy(np.concatenate(stems)), 2048, 512, window=self.window, return_complex=True)
        vocals, rest = spectra[:2], spectra[2:].reshape(3, 2, *spectra.shape[1:]).sum(0)
        return torch.stack([vocals, rest])


WAYS: dict[str, Callable[[Path], Iterable[object]]] = {
    "unsung": unsung,
    "unsung, and the STFT": with_spectra,
    "unsung, 2 loader processes": lambda root: unsung(root, workers=2),
    "Open-Unmix MUSDBDataset": openunmix,
    "musdb chunks": lambda root: torch.utils.data.DataLoader(Chunks(root), BATCH),
    "soundfile chunks + STFT": lambda root: torch.utils.data.DataLoader(OnTheFly(root), BATCH),
}


def feed(way: str, root: Path, cold: bool) -> float:
    """Segments per second, after one second of warming up."""
    torch.set_num_threads(1)
    random.seed(0)
    batches = iter(WAYS[way](root))
    start = time.perf_counter()
    while time.perf_counter() - start < 1:
        next(batches)
    count, taken = 0, 0.0
    while taken < LONG:
        if cold:
            for path in filter(Path.is_file, root.rglob("*.*")):
                forget(path)
        start = time.perf_counter()
        next(batches)
        taken += time.perf_counter() - start
        count += BATCH
    return count / taken


def forget(path: Path) -> None:
    """Drop a file from the page cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)  # what is not written yet would stay
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def in_its_own_process(way: str, root: Path, cold: bool) -> float:
    """Segments per second, in a new process."""
    python = str(BENCH) if way.startswith("Open-Unmix") else sys.executable
    command = [python, __file__, "--only", way, str(root), *(["--cold"] if cold else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure one way, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs=2, metavar=("WAY", "ROOT"), help="measure this way in this process, on songs that are there"
    )
    parser.add_argument("--cold", action="store_true", help="drop the files from the page cache before every batch")
    arguments = parser.parse_args()
    if only := arguments.only:
        print(json.dumps(feed(only[0], Path(only[1]), arguments.cold)))
    else:
        everything(arguments.cold)


def everything(cold: bool) -> None:
    """Write songs and shards, and let the ways take turns."""
    from common import table  # here, because Open-Unmix's environment has no unsung

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare_songs(root)
        speeds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way in WAYS:
                speeds[way].append(in_its_own_process(way, root, cold))
    best, others = {way: max(rounds) for way, rounds in speeds.items()}, [way for way in WAYS if not way.startswith("unsung")]
    rows = [
        (way, f"{best[way]:.1f}", f"{min(speeds[way]):.1f}", *(f"{best[way] / best[other]:.2f}" for other in others))
        for way in WAYS
    ]
    print(table(("way", "segments/s", "slowest round", *(f"times {way}" for way in others)), rows))


def prepare_songs(root: Path) -> None:
    """Ten songs of a minute: WAV files, and shards of them."""
    from common import compose

    from unsung.data.providers import provide
    from unsung.data.shards import Settings, write_shards
    from unsung.data.stems import prepare

    params = compose(root, songs=10, seconds=60.0)
    tracks = [prepare(recording, root / "stems", params.audio)[0] for recording in provide(root, params)[1]]
    trained = [track for track in tracks if track.split == "train"]
    write_shards(root / "shards", trained, Settings.of(params), params.shards.megabytes, params.compute)


if __name__ == "__main__":
    main()
