"""The code that a stage depends on, from dvc.yaml, which names it for DVC and for resumed runs."""

import re
from functools import reduce
from pathlib import Path

from ruamel.yaml import YAML

from unsung.config.schema import Params

TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


def code_of(stage: str, params: Params, pipeline: Path = Path("dvc.yaml")) -> list[Path]:
    """The code that dvc.yaml names for a stage: files and folders, with templates filled in."""
    deps = YAML(typ="safe").load(pipeline)["stages"][stage]["deps"]
    code = (dep for dep in deps if dep.startswith(("src/", "stages/")))
    return [Path(TEMPLATE.sub(lambda name: str(reduce(getattr, name[1].split("."), params)), dep)) for dep in code]
