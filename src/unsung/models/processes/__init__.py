"""Processes: how a counterfactual is generated with a network that predicts it.

    corrupt(counterfactual, mixture, rngs) -> the state and the time that training shows the network
    sample(network, mixture, targets, steps, rngs) -> a counterfactual

A process is one file here, one line in PROCESSES and its section in params.yaml, whose `forward` part is what training sees. It
knows nothing of a network's inside; randomness comes in as one generator for each item of the batch, so an item does not
depend on its neighbours.
"""

from unsung.models.processes.bridge import Bridge
from unsung.models.processes.predictive import Predictive

PROCESSES = {"bridge": Bridge, "predictive": Predictive}

__all__ = ["PROCESSES"]
