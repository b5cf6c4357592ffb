"""Bring the pools that recipe.yaml names to the model's sample rate: python -m recipes.songs.pack POOLS PACKED"""

import argparse
from pathlib import Path

from recipes.songs.pools import pack
from recipes.songs.recipe import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pools", type=Path)
    parser.add_argument("packed", type=Path)
    args = parser.parse_args()
    recipe = Recipe.load()
    for pool in recipe.pools:
        if (args.pools / pool.name).is_dir():
            pack(args.pools / pool.name, args.packed / pool.name, recipe.model.sample_rate)


if __name__ == "__main__":
    main()
