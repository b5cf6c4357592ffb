"""Train the restyler; a killed run goes on where it stopped."""

from stages import PIPELINE, SHARDS, TRAINED
from stages.code import code_of
from unsung.data.shards import MANIFEST, Shards
from unsung.errors import told_in_one_line
from unsung.files import fingerprint, scratch
from unsung.restyle.batches import shard_settings
from unsung.restyle.schema import load
from unsung.restyle.training import config_of, train


def main() -> None:
    params = load()
    settings = shard_settings(params)
    known = [config_of(params).model_dump(), params.train.model_dump(), params.seed, params.data.source]
    key = fingerprint(known, [SHARDS / MANIFEST, *code_of("train", PIPELINE)])
    with scratch("restyle-train", key) as folder:
        train(params, Shards(SHARDS, "train", settings), Shards(SHARDS, "valid", settings), TRAINED, folder)


if __name__ == "__main__":
    with told_in_one_line():
        main()
