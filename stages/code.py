"""Which code a stage depends on: dvc.yaml is the one place that says so, for DVC and for runs that go on after a kill."""

import re
from functools import reduce
from pathlib import Path

from ruamel.yaml import YAML

from unsung.config.schema import Params

TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


def code_of(stage: str, params: Params, pipeline: Path = Path("dvc.yaml")) -> list[Path]:
    """The files and folders of code that dvc.yaml names for a stage, with the values of the params in their names."""

    def value(match: re.Match[str]) -> str:
        return str(reduce(getattr, match[1].split("."), params))

    deps = YAML(typ="safe").load(pipeline)["stages"][stage]["deps"]
    return [Path(TEMPLATE.sub(value, dep)) for dep in deps if dep.startswith(("src/", "stages/"))]
