"""predictive: no diffusion at all. One call of the network, which sees the mixture alone, is the counterfactual.

The honest ablation of the other processes: whatever they gain, they must gain over this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Generator

from unsung.models.networks.base import Mixture, State
from unsung.models.processes.base import Draws, Network, Shown, masked


@dataclass(frozen=True)
class Predictive:
    """The process as a Separator uses it; it has no knobs."""

    has_state = False
    one_call = True

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> Shown:
        """Nothing: training shows what separating shows."""
        return Shown(None, y, None)

    def sample(self, network: Network, y: Mixture, targets: int, rngs: Sequence[Generator], steps: int = 1) -> Draws:
        """The counterfactual, in one call whatever `steps` says."""
        return masked(network(None, y, None), y).unsqueeze(0)
