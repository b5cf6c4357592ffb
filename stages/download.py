"""Download the dataset, or find it in its folder, and write the index of its stems and hashes.

With a provider's name: do so for this part of a mix. Without: for the only provider, or join the
parts.
"""

import sys
from pathlib import Path

from stages import RAW
from unsung.config.params import load_params
from unsung.config.schema import PARTS
from unsung.data.providers import prepare
from unsung.errors import told_in_one_line


def main(part: str = "") -> None:
    params = load_params()
    if part:
        prepare(Path(PARTS, part), params.part(part))
    else:
        prepare(RAW, params)


if __name__ == "__main__":
    with told_in_one_line():
        main(*sys.argv[1:])
