"""Processes: how a counterfactual is generated with a network.

    corrupt(counterfactual, mixture, rngs) -> Shown: what training shows the network, and the goal if that is not masks
    sample(network, mixture, targets, rngs, **sampling) -> counterfactuals, one for each sample that is drawn

    has_state: whether the network sees a state beside the mixture
    one_call: whether one call is a separator, with the mixture as the state and 1 as the time

A process is one file here, one line in PROCESSES and its section in params.yaml: its `forward` part is what training sees, the keys
beside it are the keyword arguments of `sample`. It knows nothing of a network's inside; randomness comes in as one generator for
each item of the batch, so an item does not depend on its neighbours.
"""

from unsung.models.processes.bridge import Bridge
from unsung.models.processes.ddpm import Ddpm
from unsung.models.processes.predictive import Predictive

PROCESSES = {"bridge": Bridge, "ddpm": Ddpm, "predictive": Predictive}

__all__ = ["PROCESSES"]
