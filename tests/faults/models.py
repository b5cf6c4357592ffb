"""Faults of model folders: config.json, its settings, the weights."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.faults.fault import Fault
from tests.faults.runner import Limits

CONFIG, WEIGHTS, TRAP = "models/tiny/config.json", "models/tiny/weights.safetensors", "unpickled"
Make = Callable[[Path], object]
FIRST = "network.blocks.0.norm.weight"


def config(**changes: object) -> Make:
    """config.json with other values; a value `...` takes the key out."""

    def make(here: Path) -> None:
        values = {**json.loads((here / CONFIG).read_text()), **changes}
        (here / CONFIG).write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))

    return make


def settings(of: str, **changes: object) -> Make:
    """The settings of the network or the process with other values."""

    def make(here: Path) -> None:
        values = json.loads((here / CONFIG).read_text())[f"{of}_settings"]
        mine = {key: value for key, value in {**values, **changes}.items() if value is not ...}
        config(**{f"{of}_settings": mine})(here)

    return make


def content(name: str, data: bytes) -> Make:
    """A file with other bytes."""
    return lambda here: (here / name).write_bytes(data)


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> Make:
    """Other tensors."""

    def make(here: Path) -> None:
        tensors = {name: np.array(tensor) for name, tensor in load_file(here / WEIGHTS).items()}
        change(tensors)
        save_file(tensors, here / WEIGHTS)

    return make


def first(change: Callable[[np.ndarray], np.ndarray]) -> Make:
    """One tensor changed."""
    return weights(lambda tensors: tensors.update({FIRST: change(tensors[FIRST])}))


def filled(value: float) -> Make:
    """One number of one tensor changed."""

    def change(tensor: np.ndarray) -> np.ndarray:
        tensor[3] = value
        return tensor

    return first(change)


def overflowing(tensors: dict[str, np.ndarray]) -> None:
    """Weights that are numbers, and give none."""
    for tensor in tensors.values():
        tensor *= 1e37


def replaced(name: str, by: Callable[[Path], object]) -> Make:
    """Something else in the place of a file."""

    def make(here: Path) -> None:
        (here / name).unlink()
        by(here / name)

    return make


def cut(name: str, share: float) -> Make:
    """The beginning of a file."""
    return lambda here: os.truncate(here / name, int(share * (here / name).stat().st_size))


class Trap:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (TRAP,)


def grown(here: Path) -> None:
    """A header that announces a tensor of 4 TB."""
    data = (here / WEIGHTS).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header[FIRST] = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}
    text = json.dumps(header).encode()
    (here / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def bad(what: str, says: str, make: Make, command: str = "separate song.wav -m models/tiny", **more: object) -> Fault:
    """A row whose model cannot be used; nothing is written."""
    return Fault(what, command, says, make=make, absent=("out/*/*", "*.onnx", TRAP), **more)  # type: ignore[arg-type]


NAMES = "a name has letters, digits, spaces, - and _, at most 64 of them"
TARGETS = {
    "an absolute path": "/abs/x",
    "a path out of the folder": "../../x",
    "an empty name": "",
    "a name with a slash": "a/b",
    "two dots": "..",
    "a name with NUL": "a\0b",
    "a name of 300 letters": "x" * 300,
    "a name with an escape sequence": "\x1b[31m",
    "a name that ends with a space": "vocals ",
    "a name that turns the line around": "a\u202eb",
}
OTHERS: list[tuple[str, list[object], str]] = [
    ("accompaniment", ["accompaniment"], "must be different stems, none of them mixture or accompaniment"),
    ("Accompaniment in capitals", ["ACCOMPANIMENT"], "must be different stems"),
    ("the same twice", ["vocals", "vocals"], "must be different stems"),
    ("none", [], "targets in models/tiny/config.json is []"),
]
SIZES: list[tuple[str, object]] = [
    ("sample_rate", 0), ("sample_rate", 10**9), ("sample_rate", "fast"), ("sample_rate", None), ("channels", 0), ("channels", 3),
    ("n_fft", 0), ("n_fft", 10**9), ("hop_length", 0), ("hop_length", 1.5), ("network", "transformer"), ("network", "../x"),
    ("process", None), ("format", 3), ("covers_song", "perhaps"), ("network_settings", []), ("targets", "vocals"),
]  # fmt: skip
SETTINGS: list[tuple[str, str, object]] = [
    ("network", "dim", 0), ("network", "dim", 10**9), ("network", "dim", "wide"), ("network", "dim", ...),
    ("network", "blocks", 10**9), ("network", "bands", 10**9), ("network", "exponent", 2.0), ("network", "mask", "none"),
    ("network", "layers", 3), ("process", "sigma", -1), ("process", "start_share", 2), ("process", "timesteps", 10),
]  # fmt: skip


def nested(here: Path) -> None:
    (here / CONFIG).write_text("[" * 100_000)


def without_access(name: str) -> Make:
    return lambda here: (here / name).chmod(0)


FAULTS = [
    *(bad(f"a target: {what}", NAMES, config(targets=[name])) for what, name in TARGETS.items()),
    bad("a target, the second: a path", NAMES, config(targets=["vocals", "../../x"])),
    *(bad(f"targets: {what}", says, config(targets=names)) for what, names, says in OTHERS),
    *(bad(f"config.json: {key} is {value!r}", f"{key} in {CONFIG} is ", config(**{key: value})) for key, value in SIZES),
    bad("config.json: n_fft is odd", "n_fft must be even", config(n_fft=257)),
    bad("config.json: n_fft is less than hop_length", "hop_length less than its half", config(hop_length=512)),
    bad("config.json: other sizes than the weights have", "the config wants F32", config(n_fft=512)),
    bad("config.json: more targets than the weights have", "the config wants F32", config(targets=["vocals", "drums"])),
    bad("config.json: another network of ours", "widths in network_settings", config(network="crnn")),
    bad("config.json: another process of ours", "in process_settings of", config(process="ddpm")),
    *(
        bad(f"config.json: {key} of the {of} is {value!r}", f"{key} in {of}_settings of {CONFIG} ", settings(of, **{key: value}))
        if value is not ...
        else bad(f"config.json: {key} of the {of} is missing", "is missing; add it", settings(of, **{key: ...}))
        for of, key, value in SETTINGS
    ),
    bad("config.json: 10^9 weights", "the config wants F32", settings("network", dim=2**14), limits=Limits(memory=2**30)),
    bad("config.json: an unknown key", "colour in models/tiny/config.json is not a parameter", config(colour="red")),
    bad("config.json: a key is missing", "channels in models/tiny/config.json is missing", config(channels=...)),
    bad("config.json: not JSON", f"{CONFIG} is not JSON", content(CONFIG, b"targets: [vocals]")),
    bad("config.json: empty", f"{CONFIG} is not JSON", content(CONFIG, b"")),
    bad("config.json: a list", f"{CONFIG} has no keys and values", content(CONFIG, b"[]")),
    bad("config.json: null", f"{CONFIG} is empty", content(CONFIG, b"null")),
    bad("config.json: not UTF-8", f"{CONFIG} is not JSON", content(CONFIG, b'{"targets": ["\xe9"]}')),
    bad("config.json: 100 000 brackets", f"{CONFIG} is not JSON", nested),
    bad("config.json: a folder", "config.json is missing", replaced(CONFIG, Path.mkdir)),
    bad("config.json: a FIFO", "config.json is missing", replaced(CONFIG, os.mkfifo)),
    bad("config.json: missing", "config.json is missing", replaced(CONFIG, lambda path: None)),
    bad("config.json: may not be read", "config.json", without_access(CONFIG)),
    bad("weights: missing", "weights.safetensors is missing", replaced(WEIGHTS, lambda path: None)),
    bad("weights: may not be read", "weights.safetensors", without_access(WEIGHTS)),
    bad("weights: junk", f"{WEIGHTS} is not a whole safetensors file", content(WEIGHTS, b"junk" * 1000)),
    bad("weights: cut in the middle", f"{WEIGHTS} is not a whole safetensors file", cut(WEIGHTS, 0.5)),
    bad("weights: the last byte is missing", f"{WEIGHTS} is not a whole safetensors file", cut(WEIGHTS, 0.99999)),
    bad("weights: a header that announces 4 TB", f"{WEIGHTS} is not a whole safetensors file", grown),
    bad("weights: a pickle, which is never opened", "is not a whole safetensors file", content(WEIGHTS, pickle.dumps(Trap()))),
    bad("weights: one tensor too few", f"{WEIGHTS} lacks {FIRST}", weights(lambda tensors: tensors.pop(FIRST))),
    bad(
        "weights: one too many", f"{WEIGHTS} has the unknown x", weights(lambda tensors: tensors.update(x=np.zeros(3, np.float32)))
    ),
    bad("weights: another shape", f"{WEIGHTS} has {FIRST} as F32 [9]", first(lambda tensor: np.append(tensor, tensor[:1]))),
    bad("weights: double precision", f"{WEIGHTS} has {FIRST} as F64 [8]", first(lambda tensor: tensor.astype(np.float64))),
    Fault(
        "weights: half precision",
        "separate song.wav -m models/tiny",
        code=0,
        make=first(lambda tensor: tensor.astype(np.float16)),
        whole=("out/song/*.flac",),
    ),
    bad("weights: NaN", f"{WEIGHTS} has NaN or infinite weights in {FIRST}", filled(np.nan)),
    bad("weights that overflow", "song.wav: the model gives NaN", weights(overflowing)),
    bad("a model folder that is not there", "nowhere is not a model folder", lambda here: None, "separate song.wav -m nowhere"),
    bad("a model folder that is a file", "song.wav is not a model folder", lambda here: None, "separate song.wav -m song.wav"),
    bad("a model folder that is empty", "e is not a model folder", lambda here: (here / "e").mkdir(), "separate song.wav -m e"),
    bad("a model folder that may not be read", "models/tiny", without_access("models/tiny"), may_change=("models/tiny/*",)),
    bad("export: a target that is a path", NAMES, config(targets=["../x"]), "export models/tiny"),
    Fault(
        "a model reached by a link",
        "separate song.wav -m there",
        code=0,
        whole=("out/song/vocals.flac",),
        make=lambda here: (here / "there").symlink_to("models/tiny"),
    ),
    Fault(
        "a target with letters of any script, a space, - and _",
        "separate song.wav -m models/tiny",
        code=0,
        whole=("out/song/chœur_ボーカル - 2.flac",),
        make=config(targets=["chœur_ボーカル - 2"]),
    ),
    Fault(
        "a model folder with a hostile name",
        "separate song.wav -m '--x $(y)'",
        code=0,
        whole=("out/song/vocals.flac",),
        make=lambda here: shutil.copytree(here / "models/tiny", here / "--x $(y)"),
    ),
]
