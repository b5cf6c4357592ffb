"""What the benchmarks share: songs, the settings of a real run, timing, Markdown tables."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path

from unsung.config.params import load_params
from unsung.config.schema import Params, params_schema
from unsung.data.providers import demo
from unsung.data.tracks import Recording

SMALL: dict[str, dict[str, object]] = {  # a CPU trains these for a few hundred steps in minutes
    "unet": {"networks.unet.widths": [16, 32, 64, 128]},
    "tfswa_unet": {"networks.tfswa_unet.dims": [16, 32, 64, 128], "networks.tfswa_unet.depths": [2, 2, 2, 2]},
}
ROOT = Path(__file__).resolve().parent.parent


def real_run(**compute: object) -> Params:
    """The project's params as for MUSDB18-HQ: 44.1 kHz stereo, 2048/512, segments of 6 s of 8 s."""
    values = load_params(ROOT / "params.yaml").model_dump()
    values["audio"] = {"sample_rate": 44_100, "channels": 2}
    values["stft"] = {"n_fft": 2048, "hop_length": 512}
    values["shards"] = {"segment_seconds": 8.0, "megabytes": 256.0}
    values["train"] |= {"segment_seconds": 6.0, "batch_size": 4, "steps": 10**6, "valid_every": 10**6}
    values["compute"] |= compute
    return params_schema().model_validate(values)


def changed(params: Params, values: Mapping[str, object]) -> Params:
    """The params with some values changed, by their dotted names."""
    tree = params.model_dump()
    for name, value in values.items():
        *sections, key = name.split(".")
        reduce(dict.__getitem__, sections, tree)[key] = value
    return params_schema().model_validate(tree)


def compose(root: Path, songs: int, seconds: float) -> Params:
    """Write songs of the demo below `root`: `songs` to train on, one to validate, one to test."""
    values = real_run().model_dump()
    values["providers"]["demo"] = {"train": songs, "valid": 1, "test": 1, "seconds": seconds}
    params = params_schema().model_validate(values)
    demo.compose(root, demo.Settings(**values["providers"]["demo"]), params.seed, params.compute)
    return params


def hours(recordings: Sequence[Recording]) -> float:
    """The total length of the songs in hours."""
    songs = [[source.facts() for sources in recording.stems.values() for source in sources] for recording in recordings]
    return sum(max(facts.frames / facts.sample_rate for facts in song) for song in songs) / 3600


def seconds(work: Callable[[], object]) -> float:
    """The wall time of `work` in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_gigabytes() -> float:
    """Peak resident memory of this process. Linux only; getrusage would include the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")) / 1e9


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
