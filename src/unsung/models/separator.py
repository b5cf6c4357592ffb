"""A Separator: a network and a process that take stems out of a mixture, and its model folder.

The folder has config.json (a `Config`) and weights.safetensors. The number of network calls and the
seed are not in it, because the user chooses them.
"""

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Complex, Float
from pydantic import BaseModel, ConfigDict, PositiveInt, field_validator, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Generator, Tensor, nn

from unsung import spectrum
from unsung.config import registry
from unsung.config.schema import Loss, Params, check_invertible
from unsung.config.section import Channels, ProcessSettings, SampleRate, Targets, WindowSize, validate
from unsung.errors import UserError
from unsung.models import losses, networks, processes
from unsung.models.networks import MaskNetwork, Shape
from unsung.models.processes import Process
from unsung.models.processes.base import Draws, remaining
from unsung.spectrum import Stft

WEIGHTS, CONFIG = "weights.safetensors", "config.json"
FORMAT: Literal[2] = 2
WHAT_TO_DO = "get the model anew, or train it (dvc repro train)"


class Config(BaseModel):
    """The contents of config.json: all that a model is but its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = FORMAT
    targets: Targets
    covers_song: bool  # whether the targets are all stems, so that no accompaniment is left
    sample_rate: SampleRate
    channels: Channels
    n_fft: WindowSize
    hop_length: PositiveInt  # samples
    network: str
    network_settings: dict[str, object]
    process: str
    process_settings: dict[str, object]

    @classmethod
    def of(cls, params: Params, covers_song: bool) -> "Config":
        """The model that params.yaml describes."""
        return cls(
            targets=params.model.targets,
            covers_song=covers_song,
            **params.audio.model_dump(),
            **params.stft.model_dump(),
            network=params.model.network,
            network_settings=params.network.model_dump(),
            process=params.model.process,
            process_settings=params.process.forward.model_dump(),
        )

    @field_validator("format", mode="before")
    @classmethod
    def _can_be_read(cls, value: object) -> object:
        if value != FORMAT:
            raise ValueError(f"this version of unsung reads format {FORMAT}")
        return value

    @field_validator("network")
    @classmethod
    def _is_a_network(cls, name: str) -> str:
        return known(name, registry.NETWORKS)

    @field_validator("process")
    @classmethod
    def _is_a_process(cls, name: str) -> str:
        return known(name, registry.PROCESSES)

    @model_validator(mode="after")
    def _can_be_inverted(self) -> "Config":
        check_invertible(self.n_fft, self.hop_length)
        return self

    @property
    def stft(self) -> Stft:
        """The STFT of the model."""
        return Stft(self.n_fft, self.hop_length)

    @property
    def parts(self) -> tuple[str, ...]:
        """What a song is separated into."""
        return self.targets if self.covers_song else (*self.targets, "accompaniment")


class Separator(nn.Module):
    """The network and the process of a Config."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.process: Process = processes.build(config.process, processes.settings(config.process, config.process_settings))
        shape = Shape(len(config.targets), config.channels, config.stft.freqs, config.sample_rate, states=self.process.states)
        settings = networks.settings(config.network, config.network_settings)
        self.network: MaskNetwork = networks.build(config.network, shape, settings)

    def sample_with(self, settings: ProcessSettings) -> None:
        """Change the sampling.

        Raises:
            UserError: the settings are not of the model's process.
        """
        if not isinstance(settings, type(self.process.settings)):
            raise UserError(f"the model works by {self.config.process}, the params by another process; run dvc repro train")
        self.process = processes.build(self.config.process, settings)

    def sample_in(self, calls: int, draws: int) -> None:
        """Sample in so many calls, where it takes more than one, and draws, where they differ."""
        settings = self.process.settings
        wanted = {"calls": calls if self.process.repeats else 1, "draws": draws}
        self.sample_with(settings.changed(**{name: wanted[name] for name in wanted if name in type(settings).model_fields}))

    def loss(
        self, stems: Complex[Tensor, "batch part channel freq frame"], settings: Loss, rngs: Sequence[Generator]
    ) -> losses.Terms:
        """The terms of the loss; parts are the spectra of the targets, then of everything else."""
        mixture = stems.sum(1)
        scale = spectrum.rms(mixture).view(-1, 1, 1, 1)
        mixture, targets = mixture / scale, stems[:, :-1] / scale.unsqueeze(1)
        reference = mixture.unsqueeze(1) - targets
        example = self.process.corrupt(self.network, reference, mixture, rngs)
        output = self.network(example.state, example.mixture, example.time)
        if example.goal is not None:
            return losses.prediction(output, example.goal)
        criterion = losses.Criterion(settings, self.config.targets, self.config.stft)
        answers = remaining(output, example.mixture, example.base).chunk(example.draws)
        return criterion.of_draws(answers, reference, mixture)

    def counterfactual(
        self, mixture: Float[Tensor, "batch channel sample"], rngs: Sequence[Generator]
    ) -> Float[Tensor, "batch target channel sample"]:
        """The waveforms of the song without each target: the mean of the draws."""
        return self.config.stft.inverse(self.draws(mixture, rngs).mean(0), mixture.shape[-1])

    def draws(self, mixture: Float[Tensor, "batch channel sample"], rngs: Sequence[Generator]) -> Draws:
        """The spectra that the process draws, with one generator for each item."""
        y = self.config.stft.forward(mixture)
        scale = spectrum.rms(y).view(-1, 1, 1, 1)
        return self.process.sample(self.network, y / scale, len(self.config.targets), rngs) * scale.unsqueeze(1)

    def quantised(self) -> "Separator":
        """A copy for the CPU with 8-bit matrices, but for LSTMs (slower: docs/experiments.md)."""
        from torch.ao.quantization import quantize_dynamic  # here: it takes a while to import

        copied = copy.deepcopy(self).cpu().eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch moves this to a package of its own
            copied.network = quantize_dynamic(copied.network, {nn.Linear, nn.GRU}, dtype=torch.qint8)
        return copied

    @property
    def device(self) -> torch.device:
        """Where the weights are; quantised ones, which are no parameters, are on the CPU."""
        return next((weight.device for weight in self.parameters()), torch.device("cpu"))

    def save(self, folder: Path) -> None:
        """Write config.json and weights.safetensors; the same model gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n", "utf-8")
        (folder / WEIGHTS).write_bytes(save({name: value.contiguous().cpu() for name, value in self.state_dict().items()}))

    @classmethod
    def load(cls, folder: Path) -> "Separator":
        """Read a model folder.

        Raises:
            UserError: a file is missing, or is not as `save` writes it.
        """
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                what = f"{folder} is not a model folder: {name} is missing"
                raise UserError(f"{what}; name one, such as models/best after dvc repro")
        config = _checked_config(folder)
        weights = _checked_weights(folder / WEIGHTS, config)
        separator = cls(config)
        separator.load_state_dict(weights)
        return separator.eval()


def known(name: str, registered: registry.Registry) -> str:
    """The name, or a ValueError if this version does not have it."""
    if name not in registered:
        raise ValueError(f"this version of unsung knows {', '.join(registered)}")
    return name


def _checked_config(folder: Path) -> Config:
    """The Config of a model folder, whose settings a network and a process can be built with."""
    path = folder / CONFIG
    try:
        config = validate(Config, path.read_bytes(), str(path))
        network = networks.settings(config.network, config.network_settings, f"network_settings of {path}")
        process = processes.settings(config.process, config.process_settings, f"process_settings of {path}")
        process.check(network, [process.calls])
    except (UserError, ValueError) as error:
        raise UserError(f"{error}; {WHAT_TO_DO}") from None
    return config


def _checked_weights(path: Path, config: Config) -> dict[str, Tensor]:
    """The weights in a file, if they are those of such a model; nothing large is made before."""
    path.open("rb").close()  # its error names the file, unlike that of safetensors
    with torch.device("meta"):
        wanted = Separator(config).state_dict()
    try:
        with safe_open(path, "pt") as file:
            if odd := sorted(file.keys() ^ wanted.keys()):
                raise UserError(f"{path} {'lacks' if odd[0] in wanted else 'has the unknown'} {odd[0]}; {WHAT_TO_DO}")
            for name, weight in wanted.items():
                part = file.get_slice(name)
                found, shape = f"{part.get_dtype()} {part.get_shape()}", list(weight.shape)
                if part.get_shape() != shape or part.get_dtype() not in {"F32", "F16"}:
                    raise UserError(f"{path} has {name} as {found}, the config wants F32 or F16 {shape}; {WHAT_TO_DO}")
            weights = {name: file.get_tensor(name).float() for name in wanted}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a whole safetensors file ({error}); {WHAT_TO_DO}") from None
    if odd := [name for name, weight in weights.items() if not weight.isfinite().all()]:
        raise UserError(f"{path} has NaN or infinite weights in {odd[0]}; {WHAT_TO_DO}")
    return weights
