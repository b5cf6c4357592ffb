"""The sections of restyle/params.yaml, and `load`, which reads and checks it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from ruamel.yaml import YAML

from unsung.config import schema
from unsung.config.params import read_yaml
from unsung.config.schema import Compute, check_invertible
from unsung.config.section import Count, Section, StemName, Weight, WindowSize, validate
from unsung.restyle import processes, transformer
from unsung.restyle.providers import aligned, demo, starnet, unaligned
from unsung.restyle.vocoder import network as vocoder
from unsung.restyle.vocoder import training as vocoding

PARAMS = Path("params.yaml")
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Data(Section):
    provider: Literal["demo", "aligned", "starnet", "unaligned"]
    root: str
    source: StemName  # the style of what goes in
    target: StemName

    @model_validator(mode="after")
    def _styles_differ(self) -> "Data":
        if self.source == self.target:
            raise ValueError(f"source and target are both {self.source}; give two styles")
        return self


class Providers(Section):
    demo: demo.Settings
    aligned: aligned.Settings
    starnet: starnet.Settings
    unaligned: unaligned.Settings


class Audio(schema.Audio):
    channels: Literal[1]


class MelSettings(Section):
    n_fft: WindowSize
    hop_length: PositiveInt  # samples
    bands: Annotated[int, Field(ge=8, le=512)]

    @model_validator(mode="after")
    def _can_be_inverted(self) -> "MelSettings":
        check_invertible(self.n_fft, self.hop_length)
        return self


class Shards(Section):
    segment_seconds: PositiveFloat  # seconds
    megabytes: PositiveFloat


class Vocoder(Section):
    network: vocoder.Settings
    training: vocoding.Training
    tune_steps: Count  # on the log-mels that the trained restyler predicts

    def tuning(self) -> vocoding.Training:
        """The training of the second phase."""
        return self.training.model_copy(update={"steps": self.tune_steps, "learning_rate": self.training.learning_rate / 3})


class Model(Section):
    process: Literal["predictive", "bridge", "ddpm"]
    network: transformer.Settings


class Train(Section):
    pairs: Literal["aligned", "unaligned", "shuffled", "one"]
    steps: PositiveInt
    batch_size: PositiveInt
    segment_seconds: PositiveFloat  # seconds
    loss: Literal["l1", "mse"]
    spread: Weight
    moments: Weight
    optimizer: Literal["adamw", "adam"]
    learning_rate: PositiveFloat
    weight_decay: Weight
    warmup_steps: Count
    gradient_clip: PositiveFloat
    gain_decibels: Weight
    precision: Precision
    accelerator: Literal["cpu", "gpu", "mps", "auto"]
    valid_every: PositiveInt  # steps


class Restyle(Section):
    window_seconds: PositiveFloat  # seconds
    overlap: Annotated[float, Field(ge=0, le=0.5)]
    vocoder: Literal["best", "network", "network+griffin_lim", "griffin_lim"]


class Report(Section):
    tracks: PositiveInt
    clip_seconds: Annotated[float, Field(ge=1)]  # seconds


class Params(Section):
    """restyle/params.yaml as a whole."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    providers: Providers
    audio: Audio
    mel: MelSettings
    shards: Shards
    vocoder: Vocoder
    model: Model
    processes: processes.Settings
    train: Train
    restyle: Restyle
    report: Report
    compute: Compute

    @property
    def provider(self) -> Section:
        """The settings of the chosen provider."""
        return getattr(self.providers, self.data.provider)

    @model_validator(mode="after")
    def _choices_fit(self) -> "Params":
        if self.data.provider == "unaligned" and self.train.pairs != "unaligned":
            raise ValueError("data.provider is unaligned, so train.pairs must be unaligned too: there are no pairs")
        if self.train.pairs == "unaligned" and self.model.process == "bridge":
            raise ValueError("a bridge needs pairs; with train.pairs unaligned choose model.process predictive or ddpm")
        if self.data.provider == "demo" and (self.data.source, self.data.target) != demo.STYLES:
            raise ValueError(f"the demo has the styles {' and '.join(demo.STYLES)}; set data.source and data.target to them")
        longest = max(self.train.segment_seconds, self.vocoder.training.segment_seconds)
        if longest > self.shards.segment_seconds:
            raise ValueError("train.segment_seconds and vocoder.training.segment_seconds must not exceed shards.segment_seconds")
        least = 8 * self.mel.n_fft / self.audio.sample_rate
        if min(self.train.segment_seconds, self.restyle.window_seconds) < least:
            raise ValueError(f"segments and windows must be at least {least:.2f} seconds, eight windows of the STFT")
        return self


def load(path: Path = PARAMS) -> Params:
    """Read and check restyle/params.yaml.

    Raises:
        UserError: as unsung.config.params.load_params.
    """
    return validate(Params, read_yaml(path, YAML(typ="safe")), str(path))
