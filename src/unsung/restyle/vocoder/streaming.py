"""The three ways from log-mels to a waveform under one name each, for songs of any length.

A sample depends on the frames near it only (`reach`), so a song goes through in parts that begin
and end that much outside of what is kept: the same samples, in bounded memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.mel import Mel
from unsung.restyle.vocoder import griffin_lim
from unsung.restyle.vocoder.network import Vocoder

Name = Literal["network", "network+griffin_lim", "griffin_lim"]
NAMES: tuple[Name, ...] = ("network", "network+griffin_lim", "griffin_lim")
GRIFFIN_LIM_TURNS = 32  # where there is no network
Part = Float[Tensor, "band frame"]


@dataclass(frozen=True)
class GriffinLim:
    """No network: fast Griffin-Lim from random phases."""

    mel: Mel
    turns: int = GRIFFIN_LIM_TURNS
    seed: int = 0

    @property
    def reach(self) -> int:
        """How many frames on either side a sample depends on."""
        return griffin_lim.reach(self.mel.stft, self.turns)

    def waveform(self, log_mel: Part, first: int) -> Float[Tensor, " sample"]:
        """The phases follow from the seed and the number of the frame."""
        phase = griffin_lim.random_phase(self.mel.stft.freqs, first, log_mel.shape[-1], self.seed)
        return griffin_lim.griffin_lim(log_mel, self.mel, self.turns, phase=phase.to(log_mel))


@dataclass(frozen=True)
class Network:
    """The trained vocoder and so many turns of fast Griffin-Lim."""

    vocoder: Vocoder
    turns: int

    @property
    def mel(self) -> Mel:
        """The log-mels that it takes."""
        return self.vocoder.mel

    @property
    def reach(self) -> int:
        """How many frames on either side a sample depends on."""
        return self.vocoder.reach_after(self.turns)

    def waveform(self, log_mel: Part, first: int) -> Float[Tensor, " sample"]:
        """It is the same wherever in a song the frames are."""
        with torch.no_grad():
            return self.vocoder(log_mel.unsqueeze(0), self.turns).squeeze(0)


System = GriffinLim | Network


def system(name: Name, vocoder: Vocoder) -> System:
    """The way of this name, with the vocoder's settings; Griffin-Lim takes only its log-mels."""
    if name == "griffin_lim":
        return GriffinLim(vocoder.mel)
    return Network(vocoder, vocoder.settings.turns if name == "network+griffin_lim" else 0)


def vocoded(blocks: Iterable[Part], way: System) -> Iterator[Float[Tensor, " sample"]]:
    """The waveform of a song's log-mels, block by block: (frames - 1) * hop_length samples in all.

    Blocks may have any number of frames. Held are those of a block and 4 * `reach` more at most.
    """
    hop, held, first, done = way.mel.hop_length, None, 0, 0  # `first` is held[0], samples before done * hop are out
    for block in blocks:
        held = block if held is None else torch.cat([held, block], dim=-1)
        ready = first + held.shape[-1] - 1 - way.reach
        if ready - done >= 2 * way.reach + 1:  # so that at most as much is done twice as once
            yield way.waveform(held, first)[(done - first) * hop : (ready - first) * hop]
            kept = max(first, ready - way.reach)
            held, first, done = held[:, kept - first :], kept, ready
    if held is not None and held.shape[-1] > 1:
        yield way.waveform(held, first)[(done - first) * hop :]
