"""Cut the train and valid tracks into segments, as Parquet."""

from stages import SHARDS, STEMS
from unsung.config.params import load_params
from unsung.data.shards import Settings, write_shards
from unsung.data.tracks import read_index
from unsung.errors import told_in_one_line


def main() -> None:
    params = load_params()
    tracks = read_index(STEMS / "train") + read_index(STEMS / "valid")
    write_shards(SHARDS, tracks, Settings.of(params), params.shards.megabytes, params.compute)


if __name__ == "__main__":
    with told_in_one_line():
        main()
