"""Processes: how a counterfactual is generated with a network.

A process is one file here with `Settings`, its section of params.yaml, and `Process`, made of these settings (base.py says what it
offers); and one line in config/registry.py. `Settings.forward` is what training sees, the fields beside it only steer the sampling;
`Settings.sampling_defaults` has their values for a model that is used without params.yaml. A process knows nothing of a network's
inside. Randomness comes in as one generator for each item of the batch, so an item does not depend on its neighbours.
"""

from collections.abc import Mapping
from typing import cast

from unsung.config import registry
from unsung.config.section import ProcessSettings
from unsung.models.processes.base import Process

__all__ = ["Process", "build", "settings"]


def settings(name: str, forward: Mapping[str, object]) -> ProcessSettings:
    """The settings of the process of that name with this `forward` part and its own defaults for sampling."""
    schema: type[ProcessSettings] = registry.module(registry.PROCESSES, name).Settings
    return schema.model_validate({**schema.sampling_defaults, "forward": forward})


def build(name: str, settings: ProcessSettings) -> Process:
    """The process of that name."""
    return cast(Process, registry.module(registry.PROCESSES, name).Process(settings))
