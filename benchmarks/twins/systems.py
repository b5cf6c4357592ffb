"""What is compared: the processes, and networks of equal calls or depth that are no diffusion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from common import changed

from unsung.config.schema import Params

FEW = (1, 2, 4)
DRAWS = 8
REFERENCE = "predictive"  # whose steps are given; the others take as many as fit into its time


@dataclass(frozen=True)
class System:
    """A process with its switches, the numbers of calls to look at, and how many draws."""

    process: str
    forward: Mapping[str, object] = field(default_factory=dict)  # of processes.<process>.forward
    calls: tuple[int, ...] = (1,)
    draws: int = 1
    deeper: int = 1  # times the blocks
    others: Mapping[str, object] = field(default_factory=dict)  # of params

    def params(self, params: Params) -> Params:
        """The params of its training, all else being as in these."""
        blocks = params.networks.band_split.blocks * self.deeper  # type: ignore[attr-defined]
        values = {"model.network": "band_split", "networks.band_split.blocks": blocks, "model.process": self.process}
        values |= {f"processes.{self.process}.calls": self.calls[-1]}
        forward = {f"processes.{self.process}.forward.{key}": value for key, value in self.forward.items()}
        return changed(params, {**values, **forward, **self.others})


REFINING: dict[str, object] = {"own_answers": 1.0, "rest": True}
SYSTEMS: Mapping[str, System] = {
    "predictive": System("predictive"),
    "bridge": System("bridge", calls=FEW, draws=DRAWS),
    "bridge, half own answers": System("bridge", {"own_answers": 0.5}, FEW, DRAWS),
    "bridge, own answers": System("bridge", {"own_answers": 1.0}, FEW, DRAWS),
    "bridge, own answers and rest": System("bridge", REFINING, FEW, DRAWS),
    "recycling": System("bridge", {"own_answers": 1.0, "sigma": 0.0}, FEW),
    "recycling, rest": System("bridge", {**REFINING, "sigma": 0.0}, FEW),
    "predictive, 4 rounds": System("predictive", {"rounds": 4}, FEW),
    "predictive, 2 rounds, whole gradient": System("predictive", {"rounds": 2, "gradient": "all"}, FEW),
    "predictive, twice the blocks": System("predictive", deeper=2),
    "predictive, attention": System("predictive", others={"networks.band_split.recurrence": "attention"}),
    "predictive, attention over bands": System("predictive", others={"networks.band_split.recurrence": "attention_over_bands"}),
    "generator": System("generator", {"plain_share": 0.0, "refine": False}, draws=DRAWS),
    "generator, half plain": System("generator", {"plain_share": 0.5, "refine": False}, draws=DRAWS),
    "generator, refining": System("generator", {"plain_share": 0.5, "refine": True}, (1, 2), DRAWS),
    "generator, refining, patches": System(
        "generator", {"plain_share": 0.5, "refine": True}, (1, 2), DRAWS, others={"train.loss.patches": 1.0}
    ),
    "ddpm": System("ddpm", calls=(1, 4, 20), draws=DRAWS),
    "ddpm, noisy times": System("ddpm", {"noisy_share": 0.75}, (1, 4, 20), DRAWS),
    "ddpm, noisy times, half own answers": System("ddpm", {"noisy_share": 0.75, "own_answers": 0.5}, (1, 4, 20), DRAWS),
}
