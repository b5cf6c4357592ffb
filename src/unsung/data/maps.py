"""Uncertainty maps on disk: a folder for each track, in it <target>.npy, float16 (freq, column)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from unsung.errors import UserError
from unsung.files import atomically

Maps = Float[np.ndarray, "target freq column"]  # magnitudes, on the scale of the spectrum
FREQS, FRAMES = 2, 4  # of the spectrum in one point of a map


def save_maps(folder: Path, targets: Sequence[str], maps: Maps) -> None:
    """Write the maps of a track, all or none."""
    with atomically(folder) as partial:
        partial.mkdir()
        for target, image in zip(targets, maps, strict=True):
            np.save(partial / f"{target}.npy", image)


def read_maps(folder: Path, targets: Sequence[str], samples: slice, hop_length: int) -> dict[str, np.ndarray]:
    """The maps of a track between two samples, each (freq, column); only those that are there.

    Raises:
        UserError: a file is not whole.
    """
    step = hop_length * FRAMES
    columns = slice(samples.start // step, max(samples.start // step + 1, -(-samples.stop // step)))
    paths = {target: folder / f"{target}.npy" for target in targets}
    return {target: _load(path)[:, columns].astype(np.float32) for target, path in paths.items() if path.exists()}


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path)
    except (ValueError, EOFError):
        raise UserError(f"{path} is not whole; run the stage separate again (dvc repro -f separate)") from None
