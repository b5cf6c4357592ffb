"""A Separator: a network and a process that take stems out of a mixture, and its model folder.

The folder has config.json (a `Config`) and weights.safetensors. The number of network calls and the
seed are not in it, because the user chooses them.
"""

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn

from unsung import spectrum
from unsung.config.schema import Loss, Params
from unsung.config.section import ProcessSettings
from unsung.errors import UserError
from unsung.models import losses, networks, processes
from unsung.models.networks import MaskNetwork, Shape
from unsung.models.processes import Process
from unsung.models.processes.base import Draws, remaining
from unsung.spectrum import Stft

WEIGHTS, CONFIG = "weights.safetensors", "config.json"


class Config(BaseModel):
    """The contents of config.json: all that a model is but its weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    targets: tuple[str, ...]
    covers_song: bool  # whether the targets are all stems, so that no accompaniment is left
    sample_rate: int  # Hz
    channels: int
    n_fft: int  # samples
    hop_length: int  # samples
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
        shape = Shape(len(config.targets), config.channels, config.stft.freqs, config.sample_rate, state=self.process.has_state)
        settings = networks.settings(config.network, config.network_settings)
        self.network: MaskNetwork = networks.build(config.network, shape, settings)

    def sample_with(self, settings: ProcessSettings) -> None:
        """Change the sampling; the settings are of the model's process."""
        self.process = processes.build(self.config.process, settings)

    def loss(
        self, stems: Complex[Tensor, "batch part channel freq frame"], settings: Loss, rngs: Sequence[Generator]
    ) -> losses.Terms:
        """The terms of the loss; parts are the spectra of the targets, then of everything else."""
        mixture = stems.sum(1)
        scale = spectrum.rms(mixture).view(-1, 1, 1, 1)
        mixture, targets = mixture / scale, stems[:, :-1] / scale.unsqueeze(1)
        reference = mixture.unsqueeze(1) - targets
        example = self.process.corrupt(reference, mixture, rngs)
        output = self.network(example.state, example.mixture, example.time)
        if example.goal is not None:
            return losses.prediction(output, example.goal)
        criterion = losses.Criterion(settings, self.config.targets, self.config.stft)
        return criterion.terms(remaining(output, mixture), reference, mixture)

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
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n")
        save_file({name: value.contiguous().cpu() for name, value in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "Separator":
        """Read a model folder.

        Raises:
            UserError: a file is missing, or the weights do not fit the config.
        """
        try:
            config = Config.model_validate_json((folder / CONFIG).read_text())
            separator = cls(config)
            separator.load_state_dict(load_file(folder / WEIGHTS))
        except FileNotFoundError as error:
            what = f"{Path(error.filename or folder).name} is missing"
            raise UserError(f"{folder} is not a model folder: {what}; name one, such as models/best after dvc repro") from None
        except (ValidationError, SafetensorError, RuntimeError, KeyError, TypeError, UnicodeDecodeError, NotADirectoryError):
            raise UserError(f"{folder} is not a model that this version can read; train it anew (dvc repro train)") from None
        return separator.eval()


def generators(seeds: Sequence[Sequence[int]], device: torch.device) -> list[Generator]:
    """One generator for each item, seeded by numbers such as (seed, place in the song)."""
    states = [np.random.SeedSequence(tuple(numbers)).generate_state(1, np.uint64)[0] for numbers in seeds]
    return [Generator(device).manual_seed(int(state >> np.uint64(1))) for state in states]
