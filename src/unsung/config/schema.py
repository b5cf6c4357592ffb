"""The sections of params.yaml: every knob, its type and its limits.

A section is frozen and knows no other; what spans several is checked by Params.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Accelerator = Literal["cpu", "gpu", "mps", "auto"]
MoisesStem = Literal[
    "vocals", "bass", "drums", "guitar", "other_plucked", "percussion", "piano", "other_keys", "bowed_strings", "wind"
]
SlakhStem = Literal[
    "piano",
    "bass",
    "guitar",
    "drums",
    "strings",
    "organ",
    "brass",
    "reed",
    "pipe",
    "synth_lead",
    "synth_pad",
    "chromatic_percussion",
    "ethnic",
    "percussive",
    "sound_effects",
]
Exponent = Annotated[float, Field(gt=0, le=1)]
Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
MaskKind = Literal["complex", "magnitude"]


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Data(Section):
    provider: Literal["demo", "folder", "musdb18hq", "musdb18", "musdb18_7s", "moisesdb", "slakh2100", "mir1k"]
    root: str


class DemoProvider(Section):
    train: PositiveInt
    valid: PositiveInt
    test: PositiveInt
    seconds: Annotated[float, Field(ge=4)]  # seconds


class Drawn(Section):
    """Splits that are drawn by the hash of the tracks' names."""

    valid: Share
    test: Share

    @model_validator(mode="after")
    def _leaves_tracks_to_train_on(self) -> "Drawn":
        if self.valid + self.test >= 1:
            raise ValueError("valid and test together must stay below 1, or nothing is left to train on")
        return self


class Limited(Section):
    limit: Count  # tracks of each split


class MoisesDbProvider(Drawn, Limited):
    stems: Annotated[tuple[MoisesStem, ...], Field(min_length=1)]
    bleed: bool


class Slakh2100Provider(Limited):
    stems: Annotated[tuple[SlakhStem, ...], Field(min_length=1)]


class Providers(Section):
    demo: DemoProvider
    folder: Drawn
    musdb18hq: Limited
    musdb18: Limited
    musdb18_7s: Limited
    moisesdb: MoisesDbProvider
    slakh2100: Slakh2100Provider
    mir1k: Limited


class Audio(Section):
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)]  # Hz
    channels: Literal[1, 2]


class Spectrum(Section):
    n_fft: Annotated[int, Field(ge=16)]  # samples
    hop_length: PositiveInt  # samples

    @model_validator(mode="after")
    def _can_be_inverted(self) -> "Spectrum":
        if self.n_fft % 2 or self.hop_length * 2 >= self.n_fft:
            raise ValueError("n_fft must be even and hop_length less than its half, or the spectrum cannot be inverted at its end")
        return self


class Shards(Section):
    segment_seconds: PositiveFloat  # seconds
    megabytes: PositiveFloat


class Model(Section):
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    network: Literal["band_split", "unet", "tfswa_unet", "crnn"]
    process: Literal["bridge", "ddpm", "predictive"]

    @model_validator(mode="after")
    def _targets_are_stems(self) -> "Model":
        if len(set(self.targets)) != len(self.targets) or set(self.targets) & {"mixture", "accompaniment"}:
            raise ValueError("targets must be different stems, none of them mixture or accompaniment")
        return self


class BandSplit(Section):
    dim: PositiveInt
    blocks: PositiveInt
    bands: Annotated[int, Field(ge=2)]
    exponent: Exponent
    mask: MaskKind
    checkpoint: bool


class UNet(Section):
    widths: Sizes
    blocks: PositiveInt
    exponent: Exponent
    mask: MaskKind
    checkpoint: bool


class TfswaUNet(Section):
    dims: Sizes
    depths: Sizes
    heads: Sizes
    window: Annotated[int, Field(ge=2)]
    patch: PositiveInt
    exponent: Exponent
    mask: MaskKind
    checkpoint: bool

    @model_validator(mode="after")
    def _levels_fit(self) -> "TfswaUNet":
        if not len(self.dims) == len(self.depths) == len(self.heads):
            raise ValueError("dims, depths and heads must have a value for each level")
        if any(dim % heads for dim, heads in zip(self.dims, self.heads, strict=True)):
            raise ValueError("each of dims must be a multiple of its heads")
        return self


class Crnn(Section):
    widths: Sizes
    hidden: PositiveInt
    layers: PositiveInt
    exponent: Exponent
    mask: MaskKind


class Networks(Section):
    band_split: BandSplit
    unet: UNet
    tfswa_unet: TfswaUNet
    crnn: Crnn


class BridgeForward(Section):
    sigma: Weight
    start: Share


class Bridge(Section):
    forward: BridgeForward
    steps: PositiveInt
    samples: PositiveInt
    deterministic: bool


class DdpmForward(Section):
    schedule: Literal["linear", "cosine"]
    times: Annotated[int, Field(ge=2)]
    prediction: Literal["data", "epsilon", "velocity"]
    scale: PositiveFloat
    hidden: Share


class Ddpm(Section):
    forward: DdpmForward
    steps: PositiveInt
    samples: PositiveInt
    sampler: Literal["ddpm", "ddim", "dpmsolver++"]
    eta: Share
    guidance: Weight
    start: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _fits(self) -> "Ddpm":
        if round(self.steps / self.start) > self.forward.times:
            raise ValueError("steps / start must not exceed forward.times")
        return self


class PredictiveForward(Section):
    pass


class Predictive(Section):
    forward: PredictiveForward
    steps: Literal[1]


class Processes(Section):
    bridge: Bridge
    ddpm: Ddpm
    predictive: Predictive


Range = tuple[float, float]


class Augment(Section):
    remix: Share
    silent: Share
    mixup: Share
    gain: Share
    gain_decibels: Range
    swap: Share
    polarity: Share
    stretch: Share
    stretch_rate: tuple[PositiveFloat, PositiveFloat]
    pitch: Share
    pitch_semitones: Range
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
    accumulate: PositiveInt
    clip: PositiveFloat
    ema: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    accelerator: Accelerator | Literal["tpu"]
    devices: PositiveInt
    compile: bool
    valid_every: PositiveInt  # steps
    valid_steps: PositiveInt  # network calls
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
    steps: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class Evaluate(Section):
    window_seconds: Annotated[float, Field(ge=0.01)]  # seconds
    filter_taps: PositiveInt  # samples
    engine: Literal["unsung", "museval"]
    silent_estimates: Literal["scored", "dropped"]


class Spread(Section):
    samples: Count
    steps: PositiveInt


class Report(Section):
    tracks: PositiveInt
    clip_seconds: Annotated[float, Field(ge=1)]  # seconds
    worst_moments: Count
    spread: Spread


class Compute(Section):
    scheduler: str
    workers: PositiveInt
    loader_workers: Count
    tensorboard: bool
    wandb: bool
