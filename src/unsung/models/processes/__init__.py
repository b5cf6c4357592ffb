"""Processes: how a counterfactual is generated with a network.

A process is one file here and one line in config/registry.py. The file has `Settings`, its section
of params.yaml, and `Process` (see base.py). `Settings.forward` is what training sees; the other
fields steer the sampling, and `sampling_defaults` has their values where there is no params.yaml.
Each item of a batch has its own random generator, so it does not depend on its neighbours.
"""

from collections.abc import Mapping
from typing import cast

from unsung.config import registry
from unsung.config.section import ProcessSettings, Section, validate
from unsung.models.processes.base import Process

__all__ = ["Process", "build", "settings"]


def settings(name: str, forward: Mapping[str, object], where: str = "process_settings") -> ProcessSettings:
    """The settings of the process of that name: this `forward`, and its defaults for sampling.

    Raises:
        UserError: it has no such settings.
    """
    schema: type[ProcessSettings] = registry.module(registry.PROCESSES, name).Settings
    kind = cast(type[Section], schema.model_fields["forward"].annotation)
    return schema.by_default(validate(kind, forward, where))


def build(name: str, settings: ProcessSettings) -> Process:
    """The process of that name."""
    return cast(Process, registry.module(registry.PROCESSES, name).Process(settings))
