"""predictive: no diffusion at all. One call of the network, which sees the mixture alone, is the counterfactual.

The honest ablation of the other processes: whatever they gain, they must gain over this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Generator

from unsung.models.networks.shape import Mixture, State


@dataclass(frozen=True)
class Predictive:
    """The process as a Separator uses it; it has no knobs."""

    has_state = False

    def corrupt(self, a: State, y: Mixture, rngs: Sequence[Generator]) -> tuple[None, None]:
        """Nothing: training shows what separating shows."""
        return None, None

    def sample(
        self, network: Callable[[None, Mixture, None], State], y: Mixture, targets: int, steps: int, rngs: Sequence[Generator]
    ) -> State:
        """The counterfactual, in one call whatever `steps` says."""
        return network(None, y, None)
