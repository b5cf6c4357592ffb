"""Score the restyled test songs, every cheap baseline and the truth."""

from functools import partial

from stages import RESTYLED, SCORES, STEMS, SYSTEMS
from unsung.data.tracks import SPLITS, read_index
from unsung.errors import told_in_one_line
from unsung.files import atomically
from unsung.restyle.baselines import baselines
from unsung.restyle.batches import mel_of
from unsung.restyle.evaluation import OURS, score_songs
from unsung.restyle.pairs import kept, read_examples, read_songs, read_style, written
from unsung.restyle.schema import load
from unsung.restyle.scores import fit_judge
from unsung.restyle.vocoder.griffin_lim import griffin_lim
from unsung.restyle.vocoder.streaming import GRIFFIN_LIM_TURNS


def main() -> None:
    params = load()
    styles, mel = (params.data.source, params.data.target), mel_of(params)
    train, valid, test = (read_index(STEMS / split) for split in SPLITS)
    examples, songs = read_examples(train, *styles), read_songs(test, *styles)
    judge = fit_judge(examples, mel, () if examples.paired else read_style(valid, params.data.target))
    cheap = baselines(examples, mel, partial(griffin_lim, mel=mel, turns=GRIFFIN_LIM_TURNS))
    with atomically(SYSTEMS) as folder:
        systems = {
            name: kept(system, folder / name, mel.sample_rate) for name, system in {OURS: written(RESTYLED), **cheap}.items()
        }
        table, summary = score_songs(songs, systems, judge)
    for name, rows in (("songs", table), ("systems", summary)):
        with atomically(SCORES / f"{name}.csv") as path:
            rows.to_csv(path, index=False, float_format="%.4f")


if __name__ == "__main__":
    with told_in_one_line():
        main()
