"""The sections of params.yaml that are always there, and Params, which holds and checks them all.

The settings of a provider, a network or a process are in its own module. `params_schema` adds those
of the registries.
"""

import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, create_model, model_validator

from unsung.config import registry
from unsung.config.section import (
    Channels,
    Count,
    NetworkSettings,
    ProcessSettings,
    SampleRate,
    Section,
    Share,
    Targets,
    Weight,
    WindowSize,
)

ACCELERATOR = re.compile(r"auto|cpu|mps|gpu(:[0-9]{1,3})?")


def _is_accelerator(name: str) -> str:
    if not ACCELERATOR.fullmatch(name):
        raise ValueError("choose auto, cpu, mps, gpu, or gpu:1 for the second one")
    return name


Accelerator = Annotated[str, AfterValidator(_is_accelerator)]
MIX, PARTS = "mix", "data/parts"  # the provider that joins others, and where each of them is prepared


class Data(Section):
    provider: str
    root: str
    allow_missing: bool
    parts: dict[str, str]  # of a mix: each provider's root
    shares: dict[str, Weight]  # of folders of tracks, and of tracks

    @model_validator(mode="after")
    def _parts_are_those_of_a_mix(self) -> "Data":
        if (self.provider == MIX) != bool(self.parts):
            few, many = "has provider mix and no parts; give some, such as {demo: songs, pools: ../pools}", "has parts, which only"
            raise ValueError(few if self.provider == MIX else f"{many} provider mix has; empty them ({{}}), or choose mix")
        if odd := sorted(set(self.parts) - (set(registry.PROVIDERS) - {MIX})):
            raise ValueError(f"has {odd[0]} among its parts, which is not a provider that can be mixed; remove it or mend its name")
        if self.provider == MIX and self.root != PARTS:
            raise ValueError(f"has provider mix and root {self.root}; the root of a mix is {PARTS}, each part has its own")
        return self


class Audio(Section):
    sample_rate: SampleRate
    channels: Channels


class StftSettings(Section):
    n_fft: WindowSize
    hop_length: PositiveInt  # samples

    @model_validator(mode="after")
    def _can_be_inverted(self) -> "StftSettings":
        check_invertible(self.n_fft, self.hop_length)
        return self


def check_invertible(n_fft: int, hop_length: int) -> None:
    """Raise a ValueError if the STFT has no inverse at the end of a song."""
    if n_fft % 2 or hop_length * 2 >= n_fft:
        raise ValueError("n_fft must be even and hop_length less than its half, or the spectrum cannot be inverted at its end")


class Shards(Section):
    segment_seconds: PositiveFloat  # seconds
    megabytes: PositiveFloat


class Model(Section):
    targets: Targets
    network: str
    process: str


class Augment(Section):
    remix: Share
    silent: Share
    mixup: Share
    gain: Share
    gain_decibels: tuple[float, float]
    swap: Share
    polarity: Share
    stretch: Share
    stretch_rate: tuple[PositiveFloat, PositiveFloat]
    pitch: Share
    pitch_semitones: tuple[float, float]
    mask_frequency: Share
    mask_frequency_share: Share
    mask_time: Share
    mask_time_share: Share

    @model_validator(mode="after")
    def _ranges_rise(self) -> "Augment":
        for name in ("gain_decibels", "stretch_rate", "pitch_semitones"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} must be [lowest, highest]")
        return self


class Loss(Section):
    spectrum: Weight
    spectrum_mse: Weight
    waveform: Weight
    waveform_mse: Weight
    compressed: Weight
    patches: Weight = 0.0
    magnitude: Weight
    magnitude_mse: Weight
    multi_resolution: Weight
    stem_weight: Weight
    target_weights: dict[str, Weight]

    @model_validator(mode="after")
    def _something_to_learn(self) -> "Loss":
        if not any(value for name, value in self if name not in {"stem_weight", "target_weights"}):
            raise ValueError("one of the terms of train.loss must be above 0")
        return self


class Train(Section):
    steps: PositiveInt
    batch_size: PositiveInt
    segment_seconds: PositiveFloat  # seconds
    resume_from: str
    learning_rate: PositiveFloat
    schedule: Literal["cosine", "plateau", "constant"]
    weight_decay: Weight
    warmup_steps: Count
    accumulate_batches: PositiveInt
    gradient_clip: PositiveFloat
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    accelerator: Literal["cpu", "gpu", "mps", "auto", "tpu"]
    devices: PositiveInt
    compile: bool
    valid_every: PositiveInt  # steps
    valid_calls: PositiveInt
    patience: Count  # validations
    augment: Augment
    loss: Loss


class Separate(Section):
    window_seconds: PositiveFloat  # seconds
    overlap: Annotated[float, Field(ge=0, le=0.5)]
    batch_size: PositiveInt
    accelerator: Accelerator
    int8: bool


class Sweep(Section):
    calls: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    draws: PositiveInt


class Uncertainty(Section):
    draws: Count
    calls: PositiveInt


class Evaluate(Section):
    window_seconds: Annotated[float, Field(ge=0.01)]  # seconds
    filter_taps: PositiveInt  # samples
    engine: Literal["unsung", "museval"]
    silent_estimates: Literal["scored", "dropped"]


class Report(Section):
    tracks: PositiveInt
    clip_seconds: Annotated[float, Field(ge=1)]  # seconds
    worst_moments: Count


class Compute(Section):
    scheduler: str
    workers: PositiveInt
    loader_workers: Count
    tensorboard: bool
    wandb: bool


class Params(Section):
    """params.yaml as a whole. Load it with `params.load_params`, which knows the registries."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    providers: Section
    audio: Audio
    stft: StftSettings
    shards: Shards
    model: Model
    networks: Section
    processes: Section
    train: Train
    separate: Separate
    uncertainty: Uncertainty
    sweep: Sweep
    evaluate: Evaluate
    report: Report
    compute: Compute

    def part(self, name: str) -> "Params":
        """The params as they were if this part of a mix were the only provider."""
        data = self.data.model_copy(update={"provider": name, "root": self.data.parts[name], "parts": {}})
        return self.model_copy(update={"data": data})

    @property
    def provider(self) -> Section:
        """The settings of the chosen provider."""
        return getattr(self.providers, self.data.provider)

    @property
    def network(self) -> NetworkSettings:
        """The settings of the chosen network."""
        return getattr(self.networks, self.model.network)

    @property
    def process(self) -> ProcessSettings:
        """The settings of the chosen process."""
        return getattr(self.processes, self.model.process)

    @model_validator(mode="after")
    def _choices_fit(self) -> "Params":
        self.process.check(self.network, [self.train.valid_calls, *self.sweep.calls, self.uncertainty.calls])
        if odd := set(self.train.loss.target_weights) - set(self.model.targets):
            raise ValueError(f"train.loss.target_weights has {min(odd)}, which is not among model.targets")
        return self

    @model_validator(mode="after")
    def _durations_fit(self) -> "Params":
        least = 2 * self.stft.n_fft / self.audio.sample_rate
        if min(self.train.segment_seconds, self.separate.window_seconds) < least:
            what = "train.segment_seconds and separate.window_seconds"
            raise ValueError(f"{what} must be at least {least:.3f}, two windows of the STFT")
        augment, window = self.train.augment, self.stft.n_fft / self.audio.sample_rate
        needed, why = self.train.segment_seconds + window, "train.segment_seconds and a window of the STFT"
        if augment.stretch or augment.pitch:
            longest = max(1.0, augment.stretch_rate[1]) if augment.stretch else 1.0
            needed, why = longest * (needed + 3 * window), f"{why}, with what train.augment.stretch and pitch need,"
        if needed > self.shards.segment_seconds:
            raise ValueError(f"{why} do not fit: shards.segment_seconds must be at least {needed:.2f}")
        return self


def params_schema() -> type[Params]:
    """Params with the settings of all that the registries name."""
    return _params_schema(*map(tuple, (registry.PROVIDERS, registry.NETWORKS, registry.PROCESSES)))


@cache
def _params_schema(providers: tuple[str, ...], networks: tuple[str, ...], processes: tuple[str, ...]) -> type[Params]:
    one_of: Any = Literal  # mypy wants to know the names
    data = create_model("Data", __base__=Data, provider=(one_of[providers], ...))
    model = create_model("Model", __base__=Model, network=(one_of[networks], ...), process=(one_of[processes], ...))
    return create_model(
        "Params",
        __base__=Params,
        data=(data, ...),
        model=(model, ...),
        providers=(registry.section(registry.PROVIDERS), ...),
        networks=(registry.section(registry.NETWORKS), ...),
        processes=(registry.section(registry.PROCESSES), ...),
    )
