"""What trainings share: the state that a killed run goes on from, and the learning rate."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from unsung.files import atomically

STATE = "state.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a state whole or not at all, so that a kill leaves the last one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """See TorchCheckpointIO."""
        with atomically(Path(path)) as partial:
            torch.save(checkpoint, partial)


@dataclass(frozen=True)
class Progress:
    """The progress of a run that was killed."""

    epochs: int  # finished and saved
    out_of_patience: bool  # Lightning forgets that it stopped early, and would train another epoch

    @classmethod
    def of(cls, state: Path) -> "Progress":
        """Read a saved state; without one, nothing was done."""
        if not state.exists():
            return cls(0, False)
        saved = torch.load(state, weights_only=False)
        stopping = [values for name, values in saved["callbacks"].items() if name.startswith("EarlyStopping")]
        return cls(saved["epoch"] + 1, any(values["wait_count"] >= values["patience"] for values in stopping))


def learning_rate_factor(step: int, warmup_steps: int, steps: float) -> float:
    """From 0 to 1 in the warm-up, then a half cosine to 0.01; constant for infinite `steps`."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    share = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))
