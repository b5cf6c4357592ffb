"""dvc.yaml against the code: which modules a stage imports and which params it reads.

Also: a provider, a network or a process is one new file and one line.
"""

import re
import shutil
import sys
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

from stages.code import code_of
from tests.conftest import ROOT, changed
from unsung.config import registry
from unsung.config.params import load_params
from unsung.config.section import Section
from unsung.errors import UserError

PIPELINE = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
PART = PIPELINE.pop("part")  # of a mix; a stage for each, which does what download does for one provider
LEFT_OUT = {  # of every stage's dependencies, on purpose
    "unsung.config": "what a value of params.yaml means is decided where it is used; DVC tracks the values",
    "unsung.errors": "words of error messages",
    "stages": "paths, which dvc.yaml names too",
    "stages.code": "which state a killed run may go on from, not what comes out",
}
READ_ANYWAY = {  # params that a stage reads without depending on them
    "compute": "how the work is done",
    "data.root": "where the recordings lie; their hashes are a dependency",
    "data.parts": "the same, of a mix; download, which joins them, depends on it",
    "train.resume_from": "part of train, which is a dependency",
}
CHOICES = {
    "data.provider": ("provider", registry.PROVIDERS),
    "model.network": ("network", registry.NETWORKS),
    "model.process": ("process", registry.PROCESSES),
}


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("unsung", "stages", cache_dir=None)


def closure(imports, module: str) -> set[str]:
    """The module and all that it imports, directly or not, without what is left out on purpose."""
    seen, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and not any(name == out or name.startswith(f"{out}.") for out in LEFT_OUT if out != "stages"):
            seen.add(name)
            waiting += imports.find_modules_directly_imported_by(name)
    return seen - {"stages"}


def path_of(module: str) -> Path:
    """The file of a module, below the project."""
    place = ROOT / ("src" if module.startswith("unsung") else "") / module.replace(".", "/")
    return (place / "__init__.py" if place.is_dir() else place.with_suffix(".py")).relative_to(ROOT)


def code(stage: str, params) -> set[Path]:
    """The files that dvc.yaml names for a stage, those of a folder one by one."""
    named = [ROOT / path for path in code_of(stage, params, ROOT / "dvc.yaml")]
    return {path.relative_to(ROOT) for name in named for path in (name.rglob("*.py") if name.is_dir() else [name])}


def chosen(stage: str, params) -> list[str]:
    """The modules of the registries that a stage looks up."""
    deps = " ".join(PIPELINE[stage]["deps"])
    names = {"data.provider": params.data.provider, "model.network": params.model.network, "model.process": params.model.process}
    return [CHOICES[key][1][name] for key, name in names.items() if f"${{{key}}}" in deps]


def every_choice(params):
    """The params with each provider, network and process in turn."""
    for provider in registry.PROVIDERS:
        parts = {"root": "data/parts", "parts": {"demo": "songs"}} if provider == "mix" else {}
        yield changed(params, data={**params.data.model_dump(), "provider": provider, **parts})
    for network in registry.NETWORKS:
        for process in registry.PROCESSES:
            yield changed(params, model__network=network, model__process=process)


@pytest.mark.parametrize("stage", PIPELINE)
def test_dvc_yaml_names_the_code_that_a_stage_runs_and_no_other(imports, params, stage):
    needed_by_some, named_by_some = set(), set()
    for these in every_choice(params):
        modules = set().union(*(closure(imports, name) for name in [f"stages.{stage}", *chosen(stage, these)]))
        needed, named = {path_of(module) for module in modules}, code(stage, these)
        needed = {path for path in needed if (ROOT / path).stat().st_size > 100}  # an __init__.py with a docstring
        assert not needed - named, f"dvc.yaml does not name them for {stage}"
        needed_by_some |= needed
        named_by_some |= named
    folders = {path for path in code_of(stage, params, ROOT / "dvc.yaml") if (ROOT / path).is_dir()}
    superfluous = {path for path in named_by_some - needed_by_some if not folders & set(path.parents)}
    assert not {path for path in superfluous if path.name != "__init__.py"}, f"dvc.yaml names them for {stage}"


def test_a_part_of_a_mix_depends_on_what_the_only_provider_does():
    download, part = PIPELINE["download"], PART["do"]
    own = {"${data.root}": "${item}", "src/unsung/data/providers/${data.provider}.py": "src/unsung/data/providers/${key}.py"}
    assert part["deps"] == [own.get(dep, dep) for dep in download["deps"]]
    other = {"data.provider", "data.parts", "providers.${data.provider}"}
    assert {*part["params"]} == {*download["params"]} - other | {"providers.${key}"}
    assert PART["foreach"] == "${data.parts}" and part["cmd"] == f"{download['cmd']} ${{key}}"


def test_what_is_left_out_is_there_and_has_a_reason(imports):
    assert all(module in imports.modules and reason for module, reason in LEFT_OUT.items())
    for stage in PIPELINE:
        assert not [dep for dep in PIPELINE[stage]["deps"] if "/config" in dep or "errors.py" in dep]


def test_a_new_provider_network_or_process_reruns_nothing(params):
    """The registries are no stage's dependency, nor is any module that was not chosen."""
    for stage in PIPELINE:
        named = code(stage, params)
        assert Path("src/unsung/config/registry.py") not in named
        for name, module in {**registry.PROVIDERS, **registry.NETWORKS, **registry.PROCESSES}.items():
            if name not in (params.data.provider, params.model.network, params.model.process):
                assert path_of(module) not in named, (stage, name)


def test_the_resume_fingerprint_covers_what_dvc_yaml_names(params):
    for stage in ("train", "separate"):
        source = (ROOT / "stages" / f"{stage}.py").read_text()
        assert f'*code_of("{stage}", params)' in source


class Reads:
    """Which params are read, by dotted names; a section that is dumped is read as a whole."""

    def __init__(self, params, monkeypatch):
        self.names, names, reads = set(), {}, self

        def name(section, prefix):
            names[id(section)] = prefix
            for key in type(section).model_fields:
                value = object.__getattribute__(section, key)
                if isinstance(value, Section):
                    name(value, f"{prefix}{key}.")

        name(params, "")
        plain, dump = Section.__getattribute__, Section.model_dump

        def getattribute(section, key):
            value = plain(section, key)
            prefix = names.get(id(section))
            if prefix is not None and key in type(section).model_fields and not isinstance(value, Section):
                reads.names.add(f"{prefix}{key}")
            return value

        def model_dump(section, *arguments, **options):
            if (prefix := names.get(id(section))) is not None:
                kept = options.get("include") or type(section).model_fields
                reads.names.update(f"{prefix}{key}" for key in kept)
            return dump(section, *arguments, **options)

        monkeypatch.setattr(Section, "__getattribute__", getattribute)
        monkeypatch.setattr(Section, "model_dump", model_dump)


@pytest.fixture(scope="module")
def project(params, tmp_path_factory):
    """A folder with dvc.yaml in which the stages run in this process with small params."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("dvc.yaml", "src", "stages", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    small = {"train": 1, "valid": 1, "test": 1, "seconds": 4.0}
    return folder, changed(params, providers__demo=small, train__steps=2, train__valid_every=2)


def declared(stage: str, params) -> list[str]:
    """The params that dvc.yaml declares for a stage, with the names of what was chosen."""
    names = {"data.provider": params.data.provider, "model.network": params.model.network, "model.process": params.model.process}
    return [re.sub(r"\$\{([\w.]+)\}", lambda match: names[match[1]], name) for name in PIPELINE[stage]["params"]]


@pytest.mark.parametrize("stage", PIPELINE)  # in their order: each needs what those before it wrote
def test_a_stage_declares_the_params_that_it_reads(project, stage, monkeypatch):
    folder, params = project
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    module = __import__(f"stages.{stage}", fromlist=["main"])
    monkeypatch.setattr(module, "load_params", lambda: params)
    expected = declared(stage, params)
    reads = Reads(params, monkeypatch)
    module.main()
    names = [*expected, *READ_ANYWAY, *re.findall(r"\$\{([\w.]+)\}", str(PIPELINE[stage]))]
    odd = {name for name in reads.names if not any(name == one or name.startswith(f"{one}.") for one in names)}
    assert not odd, f"{stage} reads params that dvc.yaml does not declare"
    unread = {one for one in expected if not any(name == one or name.startswith(f"{one}.") for name in reads.names)}
    assert not unread, f"{stage} declares params that it does not read"


TOYS = {
    "provider": (
        "PROVIDERS",
        """
from unsung.config.section import Section

class Settings(Section):
    size: int
""",
        {"size": 3},
    ),
    "network": (
        "NETWORKS",
        """
from unsung.config.section import NetworkSettings
from unsung.models.networks.base import MaskNetwork

class Settings(NetworkSettings):
    size: int

class Network(MaskNetwork):
    def image(self, image, time):
        return image[:, : self.shape.outputs(self.mask)]
""",
        {"size": 3, "exponent": 0.5, "mask": "complex", "gradient_checkpointing": False},
    ),
    "process": (
        "PROCESSES",
        """
from unsung.models.processes import generator

class Forward(generator.Forward):
    size: int

class Settings(generator.Settings):
    forward: Forward

Process = generator.Process
""",
        {"forward": {"plain_share": 0.5, "refine": False, "size": 3}, "calls": 1, "draws": 1, "noise": 1.0},
    ),
}


@pytest.mark.parametrize("kind", TOYS)
def test_a_file_and_a_line_add_a_provider_a_network_or_a_process(kind, tmp_path, monkeypatch):
    """The schema, its choices and the model follow from the registry."""
    name, source, settings = TOYS[kind]
    (tmp_path / f"toy_{kind}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, name, {**getattr(registry, name), f"toy_{kind}": f"toy_{kind}"})
    yaml = YAML()
    values = yaml.load(ROOT / "params.yaml")
    section = {"provider": "providers", "network": "networks", "process": "processes"}[kind]
    values["data" if kind == "provider" else "model"][kind] = f"toy_{kind}"
    shutil.copy(ROOT / "params.yaml", tmp_path / "without.yaml")
    path = tmp_path / "params.yaml"
    with path.open("w") as file:
        yaml.dump(values, file)
    with pytest.raises(UserError, match=rf"{section}.toy_{kind} in .* is missing; add it"):
        load_params(path)
    values[section][f"toy_{kind}"] = settings
    with path.open("w") as file:
        yaml.dump(values, file)
    params = load_params(path)
    assert getattr(params, kind).model_dump() == settings
    if kind != "provider":
        import torch

        from unsung.devices import generators
        from unsung.models.separator import Config, Separator

        separator = Separator(Config.of(params, covers_song=False))
        counterfactual = separator.counterfactual(torch.randn(1, 1, 4000), generators([(0,)], torch.device("cpu")))
        assert counterfactual.shape == (1, 1, 1, 4000)
    sys.modules.pop(f"toy_{kind}")
