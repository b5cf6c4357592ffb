"""restyle/dvc.yaml against the code, and the whole pipeline as a user runs it."""

import ast
import json
import os
import shutil
import subprocess
import sys

import grimp
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT, song, write_song
from tests.restyle.conftest import SMALL

PIPELINE = YAML(typ="safe").load(ROOT / "restyle/dvc.yaml")["stages"]
LEFT_OUT = ("unsung.config", "unsung.errors", "unsung.restyle.schema")  # as in tests/test_architecture.py; values are params


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("unsung", cache_dir=None)


def named(stage, imports):
    """The modules of unsung that a stage imports by name."""
    for node in ast.walk(ast.parse((ROOT / "restyle/stages" / f"{stage}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unsung"):
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield longer if longer in imports.modules else node.module


def needed(stage, imports):
    seen, waiting = set(), list(named(stage, imports))
    while waiting:
        module = waiting.pop()
        if module not in seen and not module.startswith(LEFT_OUT):
            seen.add(module)
            waiting += imports.find_modules_directly_imported_by(module)
    return {path for path in map(path_of, seen) if path.stat().st_size > 100}  # an __init__.py with a docstring


def path_of(module):
    place = ROOT / "src" / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@pytest.mark.parametrize("stage", PIPELINE)
def test_dvc_yaml_names_the_code_that_a_stage_runs_and_no_other(imports, stage):
    files, folders = set(), set()
    for dep in PIPELINE[stage]["deps"]:
        if dep.startswith("../src"):
            path = (ROOT / "restyle" / dep).resolve()
            folders |= {path} if path.is_dir() else set()
            files |= set() if path.is_dir() else {path}
    wanted = needed(stage, imports)
    assert not {path for path in wanted - files if not folders & set(path.parents)}, "dvc.yaml does not name them"
    assert not {path for path in files - wanted if path.suffix == ".py"}, "dvc.yaml names them, and the stage runs without"
    assert f"stages/{stage}.py" in PIPELINE[stage]["deps"]


def test_no_test_song_can_touch_the_weights():
    for stage in ("shard", "vocoder", "train", "tune"):
        assert not [dep for dep in PIPELINE[stage]["deps"] if dep in ("data/stems", "data/stems/test")]


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """The pipeline with small params after all stages: on the demo's pairs, and without pairs."""
    paired, unpaired, songs = (tmp_path_factory.mktemp(name) for name in ("paired", "unpaired", "songs"))
    for number, style in enumerate(["pop"] * 4 + ["carol"] * 4):
        write_song(songs / style, {f"{style} {number}": sum(song(number, 4.0, 8000).values())}, 8000)
    prepare(paired, {})
    prepare(unpaired, {"data.provider": "unaligned", "data.root": str(songs), "train.pairs": "unaligned"})
    script = f"""
import importlib, os
for folder in {[str(paired), str(unpaired)]}:
    os.environ["DVC_ROOT"] = folder
    os.chdir(folder + "/restyle")
    for stage in {list(PIPELINE)}:
        importlib.import_module("stages." + stage).main()
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(paired / "restyle")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr[-2000:]
    return paired / "restyle", unpaired / "restyle"


@pytest.fixture(scope="module")
def project(projects):
    return projects[0]


def prepare(folder, changes):
    """Copy the pipeline to `folder`, with small params and some that are changed."""
    shutil.copytree(ROOT / "restyle/stages", folder / "restyle/stages", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "src").symlink_to(ROOT / "src")
    shutil.copy(ROOT / "restyle/dvc.yaml", folder / "restyle")
    yaml = YAML()
    values = yaml.load(ROOT / "restyle/params.yaml")
    for key, value in {**SMALL, **changes}.items():
        *above, last = key.split(".")
        section = values
        for name in above:
            section = section[name]
        section[last] = value
    with (folder / "restyle/params.yaml").open("w") as file:
        yaml.dump(values, file)


def test_all_outs_are_written(projects):
    for project in projects:
        for stage in PIPELINE.values():
            for kind in ("outs", "metrics", "plots"):
                for out in stage.get(kind, []):
                    path = project / (out if isinstance(out, str) else next(iter(out)))
                    assert path.exists(), path
        assert not list((project.parent / ".scratch").glob("*/*/*"))  # nothing is left of runs that ended well


def test_the_scores_have_every_baseline_and_the_metrics_are_ours(project):
    systems = pd.read_csv(project / "data/scores/systems.csv").set_index("system")
    assert {"unsung", "input", "equaliser", "nearest training song", "mean frame", "linear regression", "truth"} <= {*systems.index}
    assert systems.loc["truth", "both"] == 1
    found = json.loads((project / "metrics/restyle.json").read_text())
    assert found["mel_l1"] == pytest.approx(systems.loc["unsung", "mel_l1"], abs=1e-3)
    assert found["mel_l1_ratio"] == pytest.approx(found["mel_l1"] / systems.loc["equaliser", "mel_l1"], abs=1e-2)


def test_the_report_and_the_page_show_every_song(project):
    report = (project / "reports/report.md").read_text()
    assert "# pop as carol: 1 test songs" in report and "| unsung |" in report
    page = (project / "reports/listen.html").read_text()
    assert page.count("<audio") == 6 and "unsung: carol" in page
    assert list((project / "reports/figures").glob("*.jpg"))


def test_songs_without_pairs_have_scores_and_a_report_that_needs_no_truth(projects):
    systems = pd.read_csv(projects[1] / "data/scores/systems.csv").set_index("system")
    assert list(systems.index) == ["unsung", "input", "equaliser", "nearest training song", "mean frame"]
    assert systems["both"].notna().all() and systems["mel_l1"].isna().all()
    found = json.loads((projects[1] / "metrics/restyle.json").read_text())
    assert "both" in found and "mel_l1" not in found and "mel_l1_ratio" not in found
    report = (projects[1] / "reports/report.md").read_text()
    assert "no truth is known" in report and "How far from the truth" not in report and "nan" not in report.lower()
