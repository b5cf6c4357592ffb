import pytest
from ruamel.yaml import YAML

from recipes.songs.declare import declare, sources
from recipes.songs.recipe import Recipe
from tests.conftest import ROOT
from unsung.data.providers import pools

MADE_OF = [
    ("songs", ("voices", "soundfonts")),
    ("accompaniment", ("scores", "soundfonts")),
    ("vocals", ("speech",)),
    ("vocals", ("voices",)),
]


@pytest.mark.parametrize(("kind", "made_of"), MADE_OF)
def test_what_the_recipe_declares_the_provider_reads(tmp_path, kind, made_of):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.flac").touch()
    declare(tmp_path / "pool", kind, sources(*made_of))
    (pool,) = pools.pools(tmp_path)
    assert pool.card.kind == kind and pool.card.split == "train"
    for source in sources(*made_of):
        assert source["licence"] in pool.card.licence and source["credit"] in pool.card.credit


def test_the_preset_has_a_share_for_every_pool_of_the_recipe():
    shares = YAML(typ="safe").load(ROOT / "presets" / "songs.yaml")["data"]["shares"]
    assert set(shares) == {pool.name for pool in Recipe.load().pools}
