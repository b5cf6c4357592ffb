"""The code that a stage depends on, from dvc.yaml, which names it for DVC and for resumed runs."""

from pathlib import Path

from ruamel.yaml import YAML


def code_of(stage: str, pipeline: Path) -> list[Path]:
    """The code that dvc.yaml names for a stage: files and folders."""
    deps = YAML(typ="safe").load(pipeline)["stages"][stage]["deps"]
    return [pipeline.parent / dep for dep in deps if dep.startswith(("../src/", "stages/"))]
