"""The model that comes with unsung, as `unsung separate --model songs` uses it."""

from collections.abc import Callable
from pathlib import Path

import unsung
from unsung import shipped
from unsung.audio import Samples
from unsung.models.separator import CONFIG, WEIGHTS

MODEL = Path("songs")
LICENCE = shipped.card_of(MODEL).licence
UNSUNG = Path("..", "..", "src", "unsung")
CODE = ("shipped.py", *(str(UNSUNG / name) for name in ("api.py", "models", "separation.py", "audio.py", "spectrum.py")))
RATE = 44_100


def weights() -> list[Path]:
    """The files of the model."""
    return [shipped.folder_of(MODEL) / name for name in (WEIGHTS, CONFIG)]


def load() -> Callable[[Samples], Samples]:
    """The vocals (frame, 2) of a mixture (frame, 2) at 44.1 kHz."""
    model = unsung.load(MODEL, "cpu", jobs=1)
    return lambda mixture: model.separate(mixture, RATE)["vocals"]
