"""Separate all test tracks and write uncertainty maps; a killed run goes on where it stopped."""

from functools import partial

from stages import MODELS, SEPARATED, STEMS, UNCERTAINTY
from stages.code import code_of
from unsung import parallel
from unsung.config.params import load_params
from unsung.data.tracks import INDEX, read_index
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, move, scratch
from unsung.models.separator import CONFIG, WEIGHTS
from unsung.separation import Method, separate_track
from unsung.uncertainty import write_maps


def main() -> None:
    params = load_params()
    method, tracks = Method.of(MODELS / "best", params), read_index(STEMS / "test")
    settings = [params.seed, params.separate.model_dump(), params.process.model_dump(), params.uncertainty.model_dump()]
    files = [method.model / CONFIG, method.model / WEIGHTS, STEMS / "test" / INDEX, *code_of("separate", params)]
    with scratch("separate", fingerprint(settings, files)) as folder:
        estimates, maps = (folder / path.name for path in (SEPARATED, UNCERTAINTY))
        maps.mkdir(exist_ok=True)  # an out of the stage, even if no map is written
        parallel.over(partial(separate_track, folder=estimates, method=method), tracks, params.compute, "separate")
        parallel.over(partial(write_maps, folder=maps, method=method, wanted=params.uncertainty), tracks, params.compute, "map")
        SEPARATED.parent.mkdir(exist_ok=True)
        move(maps, UNCERTAINTY)
        move(estimates, SEPARATED)


if __name__ == "__main__":
    with told_in_one_line():
        main()
