"""Train a vocoder on pairs of log-mels and waveforms; a run that was killed goes on.

Both phases are this: first with the true log-mels of waveforms, then with those that a restyling
network predicts beside the true waveforms, so that the vocoder knows the errors it will meet.
Each batch follows from (seed, number of the step) alone, so interruptions do not change a byte.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from unsung.config.section import Count, Section
from unsung.errors import UserError
from unsung.files import atomically
from unsung.restyle.mel import FLOOR, Mel
from unsung.restyle.vocoder import loss
from unsung.restyle.vocoder.network import Vocoder

STATE = "vocoder.ckpt"
BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.99), 0.01, 5.0
WARM_UP = 20  # steps
# The log-mels and the waveform of a song: the middle of frame f is sample f * hop_length
Pair = tuple[Float[Tensor, "_band _frame"], Float[Tensor, " _sample"]]


class Training(Section):
    """How long and on what a vocoder is trained."""

    steps: PositiveInt
    batch_size: PositiveInt
    segment_seconds: PositiveFloat
    learning_rate: PositiveFloat
    turns: Count  # of Griffin-Lim between the network and the loss
    save_every: PositiveInt  # steps


def train(vocoder: Vocoder, pairs: Sequence[Pair], settings: Training, seed: int, scratch: Path) -> pd.DataFrame:
    """Train in place, from the state in `scratch` if there is one; give the curve of the loss.

    The curve has a row for each `save_every` steps: the means of the terms since the last. Each
    phase has a `scratch` of its own.

    Raises:
        UserError: there is no song, a song does not fit its log-mels, or the loss is not a number.
    """
    _check(pairs, vocoder.mel)
    frames = max(segment_frames(vocoder.mel), round(settings.segment_seconds * vocoder.mel.frames_per_second)) + 1
    optimizer = torch.optim.AdamW(vocoder.parameters(), settings.learning_rate, BETAS, weight_decay=WEIGHT_DECAY)
    curve, begun = _resume(scratch / STATE, vocoder, optimizer)
    sums: dict[str, float] = {}
    vocoder.train()
    for step in tqdm(range(begun, settings.steps), desc="vocoder", initial=begun, total=settings.steps, disable=None):
        batch = segments(pairs, vocoder.mel, settings.batch_size, frames, (seed, step))
        values = _step(vocoder, optimizer, batch, settings, step)
        sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            count = step + 1 - (curve[-1]["step"] if curve else 0)
            curve.append({"step": step + 1, **{name: total / count for name, total in sums.items()}})
            sums = {}
            _save(scratch / STATE, vocoder, optimizer, curve)
    vocoder.eval()
    return pd.DataFrame(curve)


def segments(
    pairs: Sequence[Pair], mel: Mel, count: int, frames: int, seeds: Sequence[int]
) -> tuple[Float[Tensor, "batch band frame"], Float[Tensor, "batch sample"]]:
    """Random stretches of `frames` frames, and the waveforms between their first and last.

    Every song is as likely as another. A song that is shorter ends in silence.
    """
    rng = np.random.default_rng(tuple(seeds))
    log_mels, waveforms = [], []
    for _ in range(count):
        log_mel, waveform = pairs[int(rng.integers(len(pairs)))]
        first = int(rng.integers(max(1, log_mel.shape[-1] - frames + 1)))
        part = waveform[first * mel.hop_length : (first + frames - 1) * mel.hop_length]
        image = log_mel[:, first : first + frames]
        log_mels.append(functional.pad(image, (0, frames - image.shape[-1]), value=math.log(FLOOR)))
        waveforms.append(functional.pad(part, (0, (frames - 1) * mel.hop_length - len(part))))
    return torch.stack(log_mels), torch.stack(waveforms)


def segment_frames(mel: Mel) -> int:
    """The fewest frames of a segment that the loss can see: three of its windows."""
    return math.ceil(3 * max(mel.n_fft, *loss.RESOLUTIONS) / mel.hop_length)


def learning_rate_factor(step: int, steps: int) -> float:
    """From 0 to 1 in the warm-up, times a half cosine to nearly 0."""
    return min(1.0, (step + 1) / WARM_UP) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _step(
    vocoder: Vocoder, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], settings: Training, step: int
) -> dict[str, float]:
    """One step of the optimizer; gives the terms of the loss."""
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * learning_rate_factor(step, settings.steps)
    terms = loss.terms(vocoder, *batch, settings.turns)
    if not terms["loss"].isfinite():
        raise UserError(f"the vocoder's loss is not a number at step {step + 1}; lower its learning_rate")
    optimizer.zero_grad()
    terms["loss"].backward()
    torch.nn.utils.clip_grad_norm_(vocoder.parameters(), CLIP)
    optimizer.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def _save(path: Path, vocoder: Vocoder, optimizer: torch.optim.Optimizer, curve: list[dict[str, Any]]) -> None:
    with atomically(path) as partial:
        torch.save({"weights": vocoder.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve}, partial)


def _resume(path: Path, vocoder: Vocoder, optimizer: torch.optim.Optimizer) -> tuple[list[dict[str, Any]], int]:
    """The curve so far and how many steps are done; weights and optimizer are as they were then."""
    if not path.exists():
        return [], 0
    state = torch.load(path, weights_only=True)
    vocoder.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    return state["curve"], state["curve"][-1]["step"]


def _check(pairs: Sequence[Pair], mel: Mel) -> None:
    """Raise a UserError unless there are songs, each with the frames of its samples."""
    if not pairs:
        raise UserError("there is no song to train the vocoder on; mend the data's folder")
    for number, (log_mel, waveform) in enumerate(pairs):
        wanted = (mel.bands, len(waveform) // mel.hop_length + 1)
        if log_mel.shape != wanted:
            found = f"log-mels {tuple(log_mel.shape)}, {len(waveform)} samples need {wanted}"
            raise UserError(f"song {number} of the vocoder's training has {found}; make both of the same recording")
