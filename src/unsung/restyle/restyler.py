"""A Restyler: a network and a process that give a song's log-mels in another style.

Its model folder has config.json, weights.safetensors, and the folder `vocoder`, which makes sound
of log-mels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator
from torch import Generator, Tensor, nn

from unsung.config.schema import check_invertible
from unsung.config.section import SampleRate, StemName, WindowSize
from unsung.restyle import transformer
from unsung.restyle.folder import read_config, read_weights, write
from unsung.restyle.mel import LogMel, Mel
from unsung.restyle.poor import CHANNELS, levelled, poor
from unsung.restyle.processes import Bridge, Ddpm, Predictive, Process, has_state
from unsung.restyle.transformer import MusicTransformer, log_mel, normalised

FORMAT: Literal[1] = 1
WHAT_TO_DO = "get the model anew, or train one (make restyle makes restyle/models/best)"


class Config(BaseModel):
    """The contents of config.json: all that a model is but its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    style: StemName  # that it gives
    sees: Literal["mel", "poor"]  # of a song: all, or what is poor in style alone
    sample_rate: SampleRate
    n_fft: WindowSize
    hop_length: PositiveInt  # samples
    bands: PositiveInt
    network: transformer.Settings
    process: Literal["predictive", "bridge", "ddpm"]
    process_settings: dict[str, object]

    @model_validator(mode="after")
    def _can_be_built(self) -> "Config":
        check_invertible(self.n_fft, self.hop_length)
        self.built_process()
        return self

    @property
    def mel(self) -> Mel:
        """The log-mels that it works on."""
        return Mel(self.sample_rate, self.n_fft, self.hop_length, self.bands)

    def built_process(self) -> Process:
        """The process with its settings."""
        kind = {"predictive": Predictive, "bridge": Bridge, "ddpm": Ddpm}[self.process]
        return kind.model_validate(self.process_settings)  # type: ignore[attr-defined, no-any-return]


class Restyler(nn.Module):
    """The network and the process of a Config."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.process = config, config.built_process()
        gated = config.sees == "mel"
        channels = CHANNELS + config.bands * gated
        self.network = MusicTransformer(channels, config.bands, gated, has_state(self.process), config.network)

    def image(self, waveform: Float[Tensor, "batch sample"]) -> transformer.Image:
        """What the network sees of a song: what is poor in style, and before it the log-mels."""
        mel, rest = self.config.mel, poor(waveform, self.config.mel)
        return torch.cat([normalised(mel.forward(waveform)), rest], dim=1) if self.config.sees == "mel" else levelled(rest)

    def forward(self, waveform: Float[Tensor, "batch sample"], rngs: Sequence[Generator]) -> LogMel:
        """Log-mels of the song in the other style, (batch, bands, sample // hop_length + 1)."""
        image = self.image(waveform)
        y = image[:, : self.config.bands] if self.config.sees == "mel" else normalised(self.config.mel.forward(waveform))
        return log_mel(self.process.sample(lambda state, time: self.network(image, state, time), y, rngs))

    def save(self, folder: Path) -> None:
        """Write config.json and weights.safetensors; the same model gives the same bytes."""
        write(folder, self.config, self)

    @classmethod
    def load(cls, folder: Path) -> "Restyler":
        """Read a model folder.

        Raises:
            UserError: a file is missing, or is not as `save` writes it.
        """
        config = read_config(folder, Config, "a model that restyles", WHAT_TO_DO)
        restyler = cls(config)
        restyler.load_state_dict(read_weights(folder, restyler.state_dict(), WHAT_TO_DO))
        return restyler.eval()
