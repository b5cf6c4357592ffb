"""The model that comes with unsung, as `unsung separate --model songs` uses it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from unsung import separation, shipped
from unsung.audio import FULL_SCALE, Facts, Samples
from unsung.config.schema import Separate
from unsung.models.separator import CONFIG, WEIGHTS

MODEL = Path("songs")
LICENCE = shipped.card_of(MODEL).licence
UNSUNG = Path("..", "..", "src", "unsung")
CODE = ("shipped.py", *(str(UNSUNG / name) for name in ("models", "separation.py", "audio.py", "spectrum.py")))
DEFAULTS = Separate(window_seconds=8.0, overlap=0.25, batch_size=4, accelerator="cpu", int8=False)  # of the command
RATE = 44_100


def weights() -> list[Path]:
    """The files of the model."""
    return [shipped.folder_of(MODEL) / name for name in (WEIGHTS, CONFIG)]


def load() -> Callable[[Samples], Samples]:
    """The vocals (frame, 2) of a mixture (frame, 2) at 44.1 kHz."""
    torch.set_num_threads(1)
    method = separation.Method(shipped.folder_of(MODEL), DEFAULTS, seed=0)
    separator = method.load()

    def separate(mixture: Samples) -> Samples:
        own = Facts(RATE, mixture.shape[1], len(mixture))
        blocks = separation.parts(separator, lambda: iter([mixture]), own, method.plan(separator.config, own))
        vocals = np.concatenate([parts[0] for parts in blocks])
        return (vocals / FULL_SCALE).astype(np.float32)

    return separate
