"""predictive: no diffusion. The network sees the mixture alone; one call gives the counterfactual.

This is the ablation of the other processes: they must do better than it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Generator

from unsung.config.section import ProcessSettings, Section
from unsung.models.networks.base import Mixture, State
from unsung.models.processes.base import Draws, Example, NetworkCall, remaining


class Settings(ProcessSettings):
    """`processes.predictive` in params.yaml."""

    sampling_defaults = {"calls": 1}

    forward: Section  # has no keys
    calls: Literal[1]


@dataclass(frozen=True)
class Process:
    """The process as a Separator uses it."""

    settings: Settings
    has_state = False
    one_call = True

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> Example:
        """The mixture alone, as in separating."""
        return Example(None, y, None)

    def sample(self, network: NetworkCall, y: Mixture, targets: int, rngs: Sequence[Generator]) -> Draws:
        """The counterfactual, in one call."""
        return remaining(network(None, y, None), y).unsqueeze(0)
