import pytest

from tests.conftest import ROOT, changed
from unsung.config import presets
from unsung.config.params import load_params
from unsung.data.needs import disk


def test_musdb18hq_takes_what_docs_say(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    presets.apply("musdb18hq", folder=ROOT / "presets", path=path)
    line = disk(load_params(path))
    assert "An hour of 4 stems takes about 1.3 GB as stems, and 1.7 GB of shards" in line
    assert "the 10 hours of MUSDB18-HQ 29 GB" in line


@pytest.mark.parametrize(("changes", "words"), [
    ({"audio__sample_rate": 16_000}, "about 0.2 GB as stems"),
    ({"model__targets": ["vocals", "drums", "bass"]}, "0.6 GB of estimates"),
])  # fmt: skip
def test_it_follows_from_the_params(changes, words):
    assert words in disk(changed(load_params(ROOT / "params.yaml"), **changes))


def test_hours_that_nobody_knows_are_left_out():
    assert "hours" not in disk(changed(load_params(ROOT / "params.yaml"), data__provider="folder"))
