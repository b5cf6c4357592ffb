import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from unsung import shipped
from unsung.config.params import load_params
from unsung.config.presets import apply
from unsung.errors import UserError
from unsung.models import networks
from unsung.models.separator import Config, Separator
from unsung.training import begin

NAMES = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(values, above=""):
    for key, value in values.items():
        tree = isinstance(value, dict) and key != "shares"  # which is one value, as a list is
        yield from keys(value, f"{above}{key}.") if tree else [f"{above}{key}"]


def preset(name):
    return YAML(typ="safe").load(ROOT / "presets" / f"{name}.yaml")


def test_there_is_one_for_every_dataset():
    providers = {*YAML(typ="safe").load(ROOT / "params.yaml")["providers"]} - {"pools", "mix"}  # songs is one of pools
    assert set(NAMES) == {*providers, "crnn", "songs"}
    assert all(preset(name)["data"]["provider"] == name for name in providers) and preset("songs")["data"]["provider"] == "pools"


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_builds_its_model(project, name):
    apply(name)
    params = load_params()
    separator = Separator(Config.of(params, covers_song=False))
    weights = sum(parameter.numel() for parameter in separator.parameters())
    assert (params.train.accelerator == "gpu") == (weights > 7e6)
    assert params.data.provider == preset(name).get("data", {"provider": "demo"})["provider"]


@pytest.mark.parametrize("name", NAMES)
def test_going_back_to_the_demo_leaves_nothing(project, name):
    before = (project / "params.yaml").read_text()
    changed = apply(name, root="/my/songs")
    assert (project / "params.yaml").read_text() != before and "+  root: /my/songs" in changed
    apply("demo")
    assert (project / "params.yaml").read_text() == before


@pytest.mark.parametrize("name", NAMES)
def test_the_demo_has_every_key_of_the_others(name):
    assert set(keys(preset(name))) <= set(keys(preset("demo")))


def test_the_projects_own_params_are_the_demos(project):
    assert apply("demo") == ""


def test_comments_and_other_values_stay(project):
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0 ", "seed: 7 "))
    shown = apply("slakh2100")
    lines = params.read_text().splitlines()
    assert any(line.startswith("seed: 7 ") for line in lines)
    assert any(line.startswith("  targets: [bass] ") and "# the stems to take out" in line for line in lines)
    assert len(lines) == len((ROOT / "params.yaml").read_text().splitlines())
    assert "-  sample_rate: 22050        # Hz\n+  sample_rate: 44100        # Hz\n" in shown and "seed" not in shown


def test_a_mapping_in_braces_is_replaced_as_a_whole(project):
    (project / "presets" / "mine.yaml").write_text("data: {shares: {a: 1.0, b/c: 2.0}}")
    apply("mine")
    assert "  shares: {a: 1.0, b/c: 2.0}\n" in (project / "params.yaml").read_text()
    assert load_params().data.shares == {"a": 1.0, "b/c": 2.0}
    (project / "presets" / "mine.yaml").write_text("data: {shares: {d: 3.0}}")
    apply("mine")
    assert load_params().data.shares == {"d": 3.0}


def test_what_is_wrong_is_one_line_and_changes_nothing(project):
    before = (project / "params.yaml").read_text()
    with pytest.raises(UserError, match="there is no preset nono, only crnn, demo, folder, mir1k"):
        apply("nono")
    (project / "presets" / "mine.yaml").write_text("train: {stepss: 3}")
    with pytest.raises(UserError, match="train.stepss in presets/mine.yaml is not a parameter"):
        apply("mine")
    (project / "presets" / "mine.yaml").write_text("train: {steps: -3}")
    with pytest.raises(UserError, match="train.steps in params.yaml is -3"):
        apply("mine")
    for words in ("", "# nothing", "- 1", "words"):
        (project / "presets" / "mine.yaml").write_text(words)
        with pytest.raises(UserError, match="mine.yaml has no sections"):
            apply("mine")
    for words in ("seed: {a: 1}", "train: 3"):
        (project / "presets" / "mine.yaml").write_text(words)
        with pytest.raises(UserError, match="in presets/mine.yaml is not a parameter"):
            apply("mine")
    (project / "presets" / "mine.yaml").write_text("seed: [1]")
    with pytest.raises(UserError, match="seed in params.yaml is"):
        apply("mine")
    (project / "presets" / "mine.yaml").write_text("train: {")
    with pytest.raises(UserError, match="mine.yaml is not YAML"):
        apply("mine")
    assert (project / "params.yaml").read_text() == before
    (project / "params.yaml").unlink()
    with pytest.raises(UserError, match="params.yaml is not here; run from the project's folder"):
        apply("demo")


def test_a_model_to_begin_with_brings_its_network(project):
    shown = apply("folder", root="/my/songs", begin="songs")
    params, card = load_params(), Separator.load(shipped.folder_of(Path("songs")))
    mine = Config.of(params, covers_song=False)
    newer = {  # than the model
        "process_settings": card.process.settings.forward.model_dump(),
        "network_settings": networks.settings("band_split", card.config.network_settings).model_dump(),
    }
    assert mine == card.config.model_copy(update=newer) and params.data.root == "/my/songs" and params.train.resume_from == "songs"
    assert "+  resume_from: songs" in shown and params.train.learning_rate < 1e-3
    begin(mine, params)
    apply("demo")
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (None, "is not a model folder: config.json is missing"),
        ("{", "not the config of a model"),
        ("[]", "not the config of a model"),
    ],
)
def test_a_model_that_cannot_be_begun_with(project, config, words):
    (project / "mine").mkdir()
    if config is not None:
        (project / "mine" / "config.json").write_text(config)
    with pytest.raises(UserError, match=words):
        apply("folder", begin="mine")
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
