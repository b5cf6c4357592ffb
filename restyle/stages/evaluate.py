"""Score the restyled test songs, every cheap baseline and the truth."""

from functools import partial

from stages import RESTYLED, SCORES, STEMS, SYSTEMS
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.restyle.baselines import baselines
from unsung.restyle.batches import mel_of
from unsung.restyle.evaluation import OURS, score_songs
from unsung.restyle.pairs import kept, read_pairs, written
from unsung.restyle.schema import load
from unsung.restyle.scores import fit_judge
from unsung.restyle.vocoder.griffin_lim import griffin_lim
from unsung.restyle.vocoder.streaming import GRIFFIN_LIM_TURNS


def main() -> None:
    params = load()
    styles, mel = (params.data.source, params.data.target), mel_of(params)
    train, test = (read_pairs(read_index(STEMS / split), *styles) for split in ("train", "test"))
    cheap = baselines(train, mel, partial(griffin_lim, mel=mel, turns=GRIFFIN_LIM_TURNS))
    with atomically(SYSTEMS) as folder:
        systems = {
            name: kept(system, folder / name, mel.sample_rate) for name, system in {OURS: written(RESTYLED), **cheap}.items()
        }
        songs, summary = score_songs(test, systems, fit_judge(train, mel))
    for name, table in (("songs", songs), ("systems", summary)):
        with atomically(SCORES / f"{name}.csv") as path:
            table.to_csv(path, index=False, float_format="%.4f")


if __name__ == "__main__":
    with told_in_one_line():
        main()
