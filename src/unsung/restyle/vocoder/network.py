"""The trained vocoder: log-mel spectrogram -> magnitudes and phases -> inverse STFT.

After Vocos (Siuzdak 2023, arXiv 2306.00814): convolutions over time at the rate of the frames,
ConvNeXt blocks (Liu et al. 2022), no upsampling. Two things differ, because it trains for minutes:
the magnitudes begin at what Griffin-Lim would take and are led back to the log-mel spectrogram,
and the phases are where a few turns of fast Griffin-Lim begin.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional

from unsung.config.schema import check_invertible
from unsung.config.section import Count, Number, SampleRate, Section, Size, WindowSize
from unsung.restyle.folder import read_config, read_weights, write
from unsung.restyle.mel import FLOOR, LogMel, Mel
from unsung.restyle.vocoder import griffin_lim
from unsung.restyle.vocoder.griffin_lim import Magnitude, Phase

FORMAT: Literal[1] = 1
START_TURNS, FIT_TURNS = 3, 4  # multiplicative updates before the network, and after it
EXPANSION = 3  # of the channels within a block
LOUDEST, QUIETEST = 6.0, -12.0  # how far the network may move a magnitude: natural logarithms
WHAT_TO_DO = "get the vocoder anew, or train it (dvc repro restyle/dvc.yaml)"
Kernel = Annotated[int, Field(ge=1, le=63)]  # frames


class Settings(Section):
    """The size of the network, and how it is used."""

    channels: Size
    blocks: Number
    kernel: Kernel
    turns: Count  # of fast Griffin-Lim after the network

    @field_validator("kernel")
    @classmethod
    def _has_a_middle(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("must be odd, so that a frame is in the middle")
        return kernel


class Config(BaseModel):
    """The contents of config.json: all that a vocoder is but its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = FORMAT
    sample_rate: SampleRate
    n_fft: WindowSize
    hop_length: PositiveInt  # samples
    bands: Size
    settings: Settings

    @model_validator(mode="after")
    def _can_be_inverted(self) -> "Config":
        check_invertible(self.n_fft, self.hop_length)
        return self


class Block(nn.Module):
    """ConvNeXt over time: a convolution of each channel, then a layer of each frame."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, EXPANSION * channels)
        self.narrow = nn.Linear(EXPANSION * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.25))

    def forward(self, image: Float[Tensor, "batch channel frame"]) -> Float[Tensor, "batch channel frame"]:
        """The image and what the block adds."""
        frames = self.norm(self.over_time(image).mT)
        return image + (self.scale * self.narrow(functional.gelu(self.widen(frames)))).mT


class Vocoder(nn.Module):
    """(batch, band, frame) of log-mels -> (batch, sample), `hop_length` samples between frames."""

    filters: Tensor

    def __init__(self, mel: Mel, settings: Settings) -> None:
        super().__init__()
        self.mel, self.settings = mel, settings
        channels, freqs = settings.channels, mel.stft.freqs
        self.into = nn.Conv1d(mel.bands, channels, settings.kernel, padding=settings.kernel // 2)
        self.first_norm, self.last_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.blocks = nn.Sequential(*(Block(channels, settings.kernel) for _ in range(settings.blocks)))
        self.head = nn.Linear(channels, 2 * freqs)
        self.trust = nn.Parameter(torch.ones(freqs, 1))  # in the log-mels: 1 fits them, 0 leaves the network alone
        with torch.no_grad():
            self.head.bias.zero_()
            self.head.weight[:freqs] *= 0.1  # begin near the magnitudes of Griffin-Lim
        self.register_buffer("filters", griffin_lim.scaled_filters(mel), persistent=False)

    def forward(self, log_mel: LogMel, turns: int | None = None) -> Float[Tensor, "batch sample"]:
        """The waveform after `turns` of fast Griffin-Lim; by default, those of the settings."""
        magnitude, phase = self.polar(log_mel)
        return griffin_lim.consistent(magnitude, phase, self.mel.stft, self.settings.turns if turns is None else turns)

    def polar(self, log_mel: LogMel) -> tuple[Magnitude, Phase]:
        """The magnitudes and phases (batch, freq, frame) from which the waveform is made."""
        with torch.no_grad():
            start = griffin_lim.magnitudes(log_mel, self.mel, START_TURNS).clamp_min(FLOOR)
        image = self.first_norm(self.into(log_mel / 4 + 1.5).mT).mT  # within about -1.4 to 1.5
        change, phase = self.head(self.last_norm(self.blocks(image).mT)).mT.chunk(2, dim=-2)
        magnitude = start * change.clamp(QUIETEST, LOUDEST).exp()
        for _ in range(FIT_TURNS):
            factors = griffin_lim.correction(magnitude, log_mel, self.filters)
            magnitude = magnitude * factors.clamp_min(FLOOR) ** self.trust
        return magnitude, phase

    @property
    def reach(self) -> int:
        """How many frames on either side a sample depends on, Griffin-Lim included."""
        return self.reach_after(self.settings.turns)

    def reach_after(self, turns: int) -> int:
        """The same after so many turns of Griffin-Lim."""
        return (1 + self.settings.blocks) * (self.settings.kernel // 2) + griffin_lim.reach(self.mel.stft, turns)

    @property
    def config(self) -> Config:
        """What config.json says."""
        mel = self.mel
        return Config(
            sample_rate=mel.sample_rate, n_fft=mel.n_fft, hop_length=mel.hop_length, bands=mel.bands, settings=self.settings
        )

    def save(self, folder: Path) -> None:
        """Write config.json and weights.safetensors; the same vocoder gives the same bytes."""
        write(folder, self.config, self)

    @classmethod
    def load(cls, folder: Path) -> "Vocoder":
        """Read a vocoder's folder.

        Raises:
            UserError: a file is missing, or is not as `save` writes it.
        """
        config = read_config(folder, Config, "a vocoder's folder", WHAT_TO_DO)
        mel = Mel(config.sample_rate, config.n_fft, config.hop_length, config.bands)
        with torch.device("meta"):
            wanted = cls(mel, config.settings).state_dict()
        weights = read_weights(folder, wanted, WHAT_TO_DO)
        vocoder = cls(mel, config.settings)
        vocoder.load_state_dict(weights)
        return vocoder.eval()


def begin(mel: Mel, settings: Settings, seed: int) -> Vocoder:
    """A vocoder with weights that follow from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Vocoder(mel, settings)
