"""Download the dataset, or find it in its folder, and write the index of its stems and hashes."""

from stages import RAW
from unsung.config.params import load_params
from unsung.data.providers import provide
from unsung.data.tracks import write_index
from unsung.errors import told_in_one_line


def main() -> None:
    params = load_params()
    RAW.mkdir(parents=True, exist_ok=True)
    root, tracks = provide(RAW, params)
    write_index(RAW, tracks, root, params.compute, params.data.allow_missing)


if __name__ == "__main__":
    with told_in_one_line():
        main()
