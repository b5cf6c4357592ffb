import pytest

from recipes.songs.ablate import CHANGES, recipe_of
from recipes.songs.recipe import Recipe

PLAIN = Recipe.load(training__seed=1)


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_one(name):
    changed = recipe_of(name, seed=1)
    assert (changed == PLAIN) == (name == "the recipe")
    assert {pool.kind for pool in changed.pools} >= {"vocals", "accompaniment"}
    different = [key for key in ("model", "pools", "variety", "training", "loss") if getattr(changed, key) != getattr(PLAIN, key)]
    assert len(different) <= 1
