"""Cut the train and valid songs into segments, as Parquet."""

from stages import SHARDS, STEMS
from unsung.data.shards import write_shards
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line
from unsung.restyle.batches import shard_settings, taught
from unsung.restyle.schema import load


def main() -> None:
    params = load()
    tracks = taught(read_index(STEMS / "train") + read_index(STEMS / "valid"), params)
    write_shards(SHARDS, tracks, shard_settings(params), params.shards.megabytes, params.compute)


if __name__ == "__main__":
    with told_in_one_line():
        main()
