"""Separate every test track with the best model; tracks that a killed run had finished are not separated again."""

from functools import partial

from stages import MODELS, SEPARATED, SRC, STEMS
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import INDEX, read_index
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, move, scratch
from unsung.models.separator import CONFIG, WEIGHTS
from unsung.separation import separate_track

CODE = ["audio.py", "data/tracks.py", "models", "separation.py", "spectrum.py"]


def main() -> None:
    params = load_params()
    model, sampling = MODELS / "best", params.sampling
    tracks = read_index(STEMS / "test")
    files = [model / CONFIG, model / WEIGHTS, STEMS / "test" / INDEX, *(SRC / name for name in CODE)]
    with scratch("separate", fingerprint([params.seed, params.separate.model_dump(), sampling], files)) as folder:
        work = partial(separate_track, model=model, folder=folder, separate=params.separate, sampling=sampling, seed=params.seed)
        parallel.over(work, tracks, params.compute, desc="separate")
        SEPARATED.parent.mkdir(exist_ok=True)
        move(folder, SEPARATED)


if __name__ == "__main__":
    with told_in_one_line():
        main()
