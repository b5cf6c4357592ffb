"""What params.yaml can choose from: a new provider, network or process needs one line here.

A name stands for a module with a class `Settings`, its section of params.yaml. It is imported when
it is first needed, so config depends on none. base.py beside it says what else it offers.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

from pydantic import create_model

from unsung.config.section import Section

Registry = Mapping[str, str]

PROVIDERS: Registry = {
    "demo": "unsung.data.providers.demo",
    "folder": "unsung.data.providers.folder",
    "musdb18hq": "unsung.data.providers.musdb18hq",
    "musdb18": "unsung.data.providers.musdb18",
    "musdb18_7s": "unsung.data.providers.musdb18_7s",
    "moisesdb": "unsung.data.providers.moisesdb",
    "slakh2100": "unsung.data.providers.slakh2100",
    "mir1k": "unsung.data.providers.mir1k",
    "pools": "unsung.data.providers.pools",
    "mix": "unsung.data.providers.mix",
}
NETWORKS: Registry = {
    "band_split": "unsung.models.networks.band_split",
    "unet": "unsung.models.networks.unet",
    "tfswa_unet": "unsung.models.networks.tfswa_unet",
    "crnn": "unsung.models.networks.crnn",
}
PROCESSES: Registry = {
    "bridge": "unsung.models.processes.bridge",
    "ddpm": "unsung.models.processes.ddpm",
    "generator": "unsung.models.processes.generator",
    "predictive": "unsung.models.processes.predictive",
}


def module(registry: Registry, name: str) -> ModuleType:
    """The module of that name; a KeyError if the registry has none."""
    return import_module(registry[name])


def section(registry: Registry) -> type[Section]:
    """The section of params.yaml that holds the settings of all of them, by name."""
    fields = {name: (module(registry, name).Settings, ...) for name in registry}
    return create_model("Settings", __base__=Section, **fields)  # type: ignore[call-overload, no-any-return]
