"""Compare int8 and exported files with the model: speed, size, and the difference of the output.

Measured for the model of a folder and, with random weights, for other networks and sizes: a window
of 8 s, one network call, one thread. The ways take turns; the fastest round of each counts.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from common import ROOT, SMALL, changed, seconds, table

from unsung import export
from unsung.config.params import load_params
from unsung.devices import generators
from unsung.models.separator import Config, Separator

ROUNDS, WINDOW = 5, 8  # seconds
CPU = torch.device("cpu")
OTHERS: dict[str, dict[str, Any]] = {
    "band_split, dim 128, 4 x 32 bands, 44.1 kHz stereo": {
        "audio.sample_rate": 44_100,
        "audio.channels": 2,
        "spectrum.n_fft": 2048,
        "spectrum.hop_length": 512,
        "networks.band_split.dim": 128,
        "networks.band_split.blocks": 4,
        "networks.band_split.bands": 32,
    },
    "crnn": {"model.network": "crnn"},
    "tfswa_unet, dims 16 to 128": {"model.network": "tfswa_unet", **SMALL["tfswa_unet"]},
    "unet, widths 16 to 128": {"model.network": "unet", **SMALL["unet"]},
}


def random_model(changes: dict[str, Any], folder: Path) -> Path:
    """A model folder with the project's params but for `changes`."""
    torch.manual_seed(0)
    Separator(Config.of(changed(load_params(ROOT / "params.yaml"), changes), covers_song=False)).save(folder)
    return folder


def ways(model: Path, folder: Path, mixture: torch.Tensor) -> dict[str, tuple[Callable[[], np.ndarray], int]]:
    """Each way to separate the window, and the bytes of its file."""
    separator = Separator.load(model)

    def counterfactual(mine: Separator) -> Callable[[], np.ndarray]:
        return lambda: mine.counterfactual(mixture, generators([(0,)], CPU)).numpy()

    def scripted(path: Path) -> Callable[[], np.ndarray]:
        script = torch.jit.load(path)
        return lambda: script(mixture).numpy()

    timed = {
        "unsung": (counterfactual(separator), (model / "weights.safetensors").stat().st_size),
        "unsung, int8": (counterfactual(separator.quantised()), 0),
    }
    for name, int8 in (("torchscript", False), ("torchscript, int8", True)):
        path = export.write(model, "torchscript", "separator", folder / f"{name}.pt", int8)
        timed[name] = (scripted(path), path.stat().st_size)
    path = export.write(model, "onnx", "separator", folder / "a.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    timed["onnxruntime"] = (lambda: session.run(None, {"mixture": mixture.numpy()})[0], path.stat().st_size)
    return timed


def measure(title: str, model: Path) -> list[list[str]]:
    """A row for each way."""
    config = Separator.load(model).config
    mixture = 0.1 * torch.randn(1, config.channels, WINDOW * config.sample_rate, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        mine = ways(model, Path(folder), mixture)
        taken: dict[str, list[float]] = {name: [] for name in mine}
        for _ in range(ROUNDS):
            for name, (work, _) in mine.items():
                taken[name].append(seconds(work))
        stem = mixture.unsqueeze(1).numpy() - mine["unsung"][0]()
        rows = []
        for name, (work, size) in mine.items():
            error = np.square(mixture.unsqueeze(1).numpy() - work() - stem).sum()
            away = f"{10 * np.log10(error / np.square(stem).sum()):.0f}" if error else "-"
            ratio = min(taken["unsung"]) / min(taken[name])
            rows.append(
                [title, name, f"{min(taken[name]) / WINDOW:.4f}", f"{ratio:.2f}", away, f"{size / 1e6:.1f}" if size else "-"]
            )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=ROOT / "models" / "best", help="a folder; by default models/best")
    model = parser.parse_args().model
    torch.set_num_threads(1)
    rows = measure(str(model.relative_to(ROOT) if model.is_relative_to(ROOT) else model), model)
    with tempfile.TemporaryDirectory() as folder:
        for title, changes in OTHERS.items():
            rows += measure(title, random_model(changes, Path(folder, title.split(",")[0])))
    print(table(("model", "way", "real time factor", "times as fast", "difference of the stem (dB)", "MB"), rows))


if __name__ == "__main__":
    main()
