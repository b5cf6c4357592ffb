"""Networks: network(state | None, mixture, time | None) -> masks; the stem is mask * mixture.

A network is one file here and one line in config/registry.py. The file has `Settings`, its section
of params.yaml, and `Network`, built from a `Shape` and these settings.
"""

from typing import cast

from unsung.config import registry
from unsung.config.section import NetworkSettings, validate
from unsung.models.networks.base import MaskNetwork, NetworkModule, Shape

__all__ = ["MaskNetwork", "Shape", "build", "settings"]


def settings(name: str, values: dict[str, object], where: str = "network_settings") -> NetworkSettings:
    """The settings of the network of that name.

    Raises:
        UserError: it has no such settings.
    """
    return validate(_module(name).Settings, values, where)


def build(name: str, shape: Shape, settings: NetworkSettings) -> MaskNetwork:
    """A network with fresh weights."""
    return _module(name).Network(shape, settings)


def _module(name: str) -> NetworkModule:
    return cast(NetworkModule, registry.module(registry.NETWORKS, name))
