"""Compose the pairs, or find them in their folders, and write the index of hashes."""

from stages import RAW
from unsung.errors import told_in_one_line
from unsung.restyle.recordings import prepare
from unsung.restyle.schema import load


def main() -> None:
    prepare(RAW, load())


if __name__ == "__main__":
    with told_in_one_line():
        main()
