"""Restyle the test songs; a killed run goes on where it stopped."""

from functools import partial

from stages import MODEL, PIPELINE, RESTYLED, STEMS
from stages.code import code_of
from unsung import parallel
from unsung.data.tracks import INDEX, read_index
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, move, scratch
from unsung.restyle.batches import has
from unsung.restyle.folder import CONFIG, WEIGHTS
from unsung.restyle.model import VOCODER, WAY
from unsung.restyle.restyling import Manner, restyle_track
from unsung.restyle.schema import load


def main() -> None:
    params = load()
    manner = Manner(params.restyle.window_seconds, params.restyle.overlap, params.seed)
    tracks = [track for track in read_index(STEMS / "test") if has(track, [params.data.source])]
    names = [CONFIG, WEIGHTS, WAY, f"{VOCODER}/{CONFIG}", f"{VOCODER}/{WEIGHTS}"]
    files = [*(MODEL / name for name in names), STEMS / "test" / INDEX, *code_of("restyle", PIPELINE)]
    with scratch("restyle-restyle", fingerprint([params.restyle.model_dump(), params.seed, params.data.source], files)) as folder:
        made = folder / RESTYLED.name
        work = partial(
            restyle_track, folder=made, source=params.data.source, model=MODEL, manner=manner, way=params.restyle.vocoder
        )
        parallel.over(work, tracks, params.compute, "restyle")
        RESTYLED.parent.mkdir(exist_ok=True)
        move(made, RESTYLED)


if __name__ == "__main__":
    with told_in_one_line():
        main()
