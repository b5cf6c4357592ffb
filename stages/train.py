"""Train the separator; a run that was killed goes on where it was."""

from pathlib import Path

from stages import MODELS, SHARDS, STEMS
from unsung.data.shards import MANIFEST, Settings, Shards
from unsung.data.tracks import INDEX, read_index
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, scratch
from unsung.params import load_params
from unsung.training import train

SRC = Path("src/unsung")
CODE = [SRC / name for name in ("models", "data/batches.py", "data/augment.py", "data/shards.py", "separation.py", "spectrum.py")]
DATA = [SHARDS / MANIFEST, STEMS / "valid" / INDEX]


def main() -> None:
    params = load_params()
    settings = params.model_dump(include={"seed", "audio", "spectrum", "model", "train"})
    key = fingerprint(
        [
            settings,
            params.separate.window_seconds,
            params.separate.overlap,
            params.network.model_dump(),
            params.process.forward.model_dump(),
        ],
        [*CODE, SRC / "training.py", *DATA],
    )
    shards = Shards(SHARDS, "train", Settings.of(params))
    train(params, shards, read_index(STEMS / "valid"), MODELS, scratch("train", key))


if __name__ == "__main__":
    with told_in_one_line():
        main()
