"""Tune the vocoder on what the restyler predicts, choose the best way to sound, join the model."""

import shutil

from stages import MODEL, PIPELINE, REPORTS, SHARDS, TRAINED, VOCODER
from stages.code import code_of
from unsung.data.shards import MANIFEST, Shards
from unsung.errors import told_in_one_line
from unsung.files import atomically, fingerprint, scratch
from unsung.restyle import model
from unsung.restyle.batches import shard_settings, true_pairs
from unsung.restyle.folder import CONFIG, WEIGHTS
from unsung.restyle.restyler import Restyler
from unsung.restyle.schema import load
from unsung.restyle.tuning import predicted_pairs
from unsung.restyle.vocoder.judging import better
from unsung.restyle.vocoder.network import Vocoder
from unsung.restyle.vocoder.training import train


def main() -> None:
    params, files = load(), [SHARDS / MANIFEST, *code_of("tune", PIPELINE)]
    files += [folder / name for folder in (TRAINED / "best", VOCODER) for name in (CONFIG, WEIGHTS)]
    shards, valid = (Shards(SHARDS, split, shard_settings(params)) for split in ("train", "valid"))
    vocoder, tuning = Vocoder.load(VOCODER), params.vocoder.tuning()
    known = [tuning.model_dump(), params.train.pairs, params.data.model_dump(), params.seed]
    with scratch("restyle-tune", fingerprint(known, files)) as folder:
        if tuning.steps:
            train(vocoder, predicted_pairs(shards, Restyler.load(TRAINED / "best"), params), tuning, params.seed, folder)
        name, table = better(vocoder, true_pairs(valid, params))
        with atomically(MODEL) as partial:
            shutil.copytree(TRAINED / "best", partial)
            vocoder.save(partial / model.VOCODER)
            model.write_way(partial, name)
        with atomically(REPORTS / "vocoders.csv") as path:
            table.drop(columns="seconds").to_csv(path, index=False, float_format="%.4f")


if __name__ == "__main__":
    with told_in_one_line():
        main()
