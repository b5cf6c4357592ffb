"""What `pip install unsung` gives: no import is missing, and each command needs no pipeline."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from unsung.config import registry
from unsung.errors import PIPELINE, UserError, told
from unsung.models.processes import ddpm

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRA = [Requirement(line) for line in PROJECT["optional-dependencies"]["pipeline"]]
OWNERS = packages_distributions()  # of what can be imported
FROM = ["unsung.cli", "unsung.api", *registry.PROVIDERS.values(), *registry.NETWORKS.values(), *registry.PROCESSES.values()]
BLOCK = """
import sys
class Blocked:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked)
"""  # a sitecustomize.py, so that processes which are started by the first one have it, too


def names(requirements):
    return {canonicalize_name(requirement.name) for requirement in requirements}


def with_what_they_need(requirements):
    """The names of distributions, and of all below them that this machine needs."""
    found, waiting = set(), [(requirement.name, frozenset(requirement.extras)) for requirement in requirements]
    while waiting:
        name, extras = waiting.pop()
        if (canonicalize_name(name), extras) in found:
            continue
        found.add((canonicalize_name(name), extras))
        for line in distribution(name).requires or []:
            below = Requirement(line)
            if not below.marker or any(below.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((below.name, frozenset(below.extras)))
    return {name for name, _ in found}


def imported(path):
    """What a module imports when it is imported, and what it imports later, in functions."""
    tree = ast.parse(path.read_text())
    checked = {id(node) for part in ast.walk(tree) if isinstance(part, ast.If) for node in ast.walk(part) if _for_types(part)}
    later = {id(node) for part in ast.walk(tree) if isinstance(part, ast.FunctionDef) for node in ast.walk(part)}
    both = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in checked:
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            both[id(node) in later].update(module.partition(".")[0] for module in modules)
    return [some - sys.stdlib_module_names - {"unsung"} for some in both]


def _for_types(node):
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.fixture(scope="module")
def modules():
    """Every module that a command or `unsung.load` may import, with its file."""
    graph = grimp.build_graph("unsung", cache_dir=None)
    found, waiting = set(), set(FROM)
    while waiting:  # a package is imported before what is in it
        found |= waiting
        above = {module.rpartition(".")[0] for module in found} - {""}
        waiting = above.union(*(graph.find_modules_directly_imported_by(module) for module in found)) - found
    place = {module: ROOT / "src" / module.replace(".", "/") for module in found}
    return {module: path / "__init__.py" if path.is_dir() else path.with_suffix(".py") for module, path in place.items()}


def owners(module):
    return {canonicalize_name(name) for name in OWNERS[module]}


def test_what_the_commands_import_is_in_the_base(modules):
    odd = {(module, name) for module, path in modules.items() for name in imported(path)[0] if not owners(name) & names(BASE)}
    assert not odd


def test_what_is_imported_later_is_in_the_base_or_told_of(modules):
    for module, path in modules.items():
        for name in imported(path)[1]:
            assert owners(name) & names(BASE) or name in PIPELINE, f"{module} imports {name}"


def test_nothing_is_installed_for_nothing():
    """Whatever pyproject.toml names is imported somewhere; dvc is a program, too."""
    used = [name for path in (ROOT / "src").rglob("*.py") for some in imported(path) for name in some]
    of_base = {owner for name in used for owner in owners(name)}
    assert names(BASE) <= of_base and names(EXTRA) - of_base <= {"dvc", "museval", "tensorboard", "wandb"}  # loaded by others


def test_the_words_for_a_missing_pipeline_know_all_of_it():
    assert {owner for name in PIPELINE for owner in owners(name)} == names(EXTRA) - names(BASE)


def test_every_range_has_two_ends_and_holds_what_is_pinned():
    pins = dict(line.split(" ")[0].split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    for requirement in BASE:
        assert sorted(part.operator for part in requirement.specifier) == ["<", ">="], requirement
    for requirement in [*BASE, *EXTRA]:
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_every_command_of_the_base_works_without_the_pipeline(separator, tmp_path):
    """tests/smoke.py, where nothing but the base and what it needs can be imported."""
    separator.save(tmp_path / "tiny")
    allowed = with_what_they_need(BASE)
    blocked = {name for name in OWNERS if not owners(name) & allowed} - {"unsung", "tests"}
    assert {"lightning", "dvc", "pyarrow", "matplotlib", "diffusers", "museval", "torchaudio", "onnxruntime"} <= blocked
    (tmp_path / "sitecustomize.py").write_text(BLOCK.format(blocked=blocked))
    command = [sys.executable, ROOT / "tests" / "smoke.py", tmp_path / "smoke", tmp_path / "tiny"]
    paths = os.pathsep.join(map(str, (tmp_path, ROOT / "src")))
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.endswith("smoke: all is well\n"), done.stderr[-3000:]


def test_a_missing_pipeline_is_one_line():
    line = told(ModuleNotFoundError("No module named 'lightning'", name="lightning.pytorch"))
    assert line == 'this needs lightning, which is not installed; run pip install "unsung[pipeline]"'
    assert told(ModuleNotFoundError("No module named 'unsung.typo'", name="unsung.typo")) == ""  # a bug of ours


def test_a_model_of_ddpm_says_that_it_needs_the_pipeline(params, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    process = ddpm.Process(params.processes.ddpm)
    with pytest.raises(UserError, match=re.escape('a model of ddpm needs diffusers, which is not installed; run pip install "uns')):
        process.times(1)


def test_the_other_engine_says_that_it_needs_the_pipeline(tmp_path, monkeypatch, capsys):
    from unsung.cli import app

    monkeypatch.setitem(sys.modules, "museval", None)
    with pytest.raises(SystemExit) as ended:
        app(["score", str(tmp_path), str(tmp_path), "--engine", "museval"], standalone_mode=False)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said == 'unsung: --engine museval needs museval, which is not installed; run pip install "unsung[pipeline]"\n'
