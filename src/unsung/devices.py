"""Where torch works, and what it draws at random."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator

from unsung.config.schema import Accelerator
from unsung.errors import UserError


def device_of(accelerator: Accelerator) -> torch.device:
    """The torch device: `gpu` is cuda, `gpu:1` the second one, `auto` the best there is.

    Raises:
        UserError: torch finds no such accelerator.
    """
    counts = {"gpu": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    name, _, number = accelerator.partition(":")
    if name == "auto":
        name = next(name for name, count in counts.items() if count)
    if not counts[name]:
        raise UserError(f"accelerator is {name}, and torch finds none; set it to auto or cpu")
    if int(number or 0) >= counts[name]:
        raise UserError(f"accelerator is {accelerator}, and torch finds {counts[name]}, counted from 0; choose another")
    kind = "cuda" if name == "gpu" else name
    return torch.device(kind, int(number)) if number else torch.device(kind)


def generators(seeds: Sequence[Sequence[int]], device: torch.device) -> list[Generator]:
    """One generator for each item, seeded by numbers such as (seed, place in the song)."""
    states = [np.random.SeedSequence(tuple(numbers)).generate_state(1, np.uint64)[0] for numbers in seeds]
    return [Generator(device).manual_seed(int(state >> np.uint64(1))) for state in states]
