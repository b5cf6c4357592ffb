"""A Separator: a network and a process that together take stems out of a mixture; its loss, its use, its folder on disk.

A model folder is `config.json`, the Config below, and `weights.safetensors`. It holds all that separating needs but the number
of network calls and the seed, which are the user's.
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Complex, Float
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn

from unsung import spectrum
from unsung.config.params import Params
from unsung.config.schema import Loss
from unsung.errors import UserError
from unsung.models import losses
from unsung.models.networks import NETWORKS, MaskNetwork, Shape
from unsung.models.processes import PROCESSES
from unsung.models.processes.base import Draws, masked

Sampling = Mapping[str, Any]  # how a process samples, such as {"steps": 4}; what is left out is the process's own choice
WEIGHTS, CONFIG = "weights.safetensors", "config.json"


class Config(BaseModel):
    """What a model is, as config.json says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    targets: tuple[str, ...]
    covers_song: bool  # whether the targets are all there is, so that nothing is left for an accompaniment
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
        """The model that the params describe."""
        return cls(
            targets=params.model.targets,
            covers_song=covers_song,
            **params.audio.model_dump(),
            **params.spectrum.model_dump(),
            network=params.model.network,
            network_settings=params.network.model_dump(),
            process=params.model.process,
            process_settings=params.process.forward.model_dump(),
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """What a song is separated into."""
        return self.targets if self.covers_song else (*self.targets, "accompaniment")


class Separator(nn.Module):
    """The network and the process of a Config."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.process = PROCESSES[config.process](**config.process_settings)  # type: ignore[arg-type]
        shape = Shape(len(config.targets), config.channels, config.n_fft // 2 + 1, config.sample_rate, state=self.process.has_state)
        self.network: MaskNetwork = NETWORKS[config.network](shape, **config.network_settings)

    def loss(
        self, stems: Complex[Tensor, "batch part channel freq frame"], settings: Loss, rngs: Sequence[Generator]
    ) -> losses.Terms:
        """The terms of the loss on segments given as the targets' spectra and, last, that of everything else."""
        mixture = stems.sum(1)
        scale = spectrum.rms(mixture).view(-1, 1, 1, 1)
        mixture, targets = mixture / scale, stems[:, :-1] / scale.unsqueeze(1)
        truth = mixture.unsqueeze(1) - targets
        shown = self.process.corrupt(truth, mixture, rngs)
        out = self.network(shown.state, shown.mixture, shown.time)
        if shown.goal is not None:
            return losses.prediction(out, shown.goal)
        return losses.terms(
            masked(out, mixture), truth, mixture, settings, self.config.targets, self.config.n_fft, self.config.hop_length
        )

    def counterfactual(
        self, mixture: Float[Tensor, "batch channel sample"], sampling: Sampling, rngs: Sequence[Generator]
    ) -> Float[Tensor, "batch target channel sample"]:
        """The waveforms of the songs without each target: what the samples of the process are in the mean."""
        found = self.samples(mixture, sampling, rngs).mean(0)
        return spectrum.inverse(found, self.config.n_fft, self.config.hop_length, mixture.shape[-1])

    def samples(self, mixture: Float[Tensor, "batch channel sample"], sampling: Sampling, rngs: Sequence[Generator]) -> Draws:
        """The spectra that the process draws; `sampling` goes to it, with one generator for each item."""
        y = spectrum.transform(mixture, self.config.n_fft, self.config.hop_length)
        scale = spectrum.rms(y).view(-1, 1, 1, 1)
        found = self.process.sample(self.network, y / scale, len(self.config.targets), rngs, **sampling)
        return found * scale.unsqueeze(1)

    def quantised(self) -> "Separator":
        """A copy for the CPU whose matrices have 8 bits, all but those of LSTMs, which are slower so (docs/experiments.md)."""
        from torch.ao.quantization import quantize_dynamic  # here: it takes a while to import

        found = copy.deepcopy(self).cpu().eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch moves this to a package of its own
            found.network = quantize_dynamic(found.network, {nn.Linear, nn.GRU}, dtype=torch.qint8)
        return found

    @property
    def device(self) -> torch.device:
        """Where the weights are; quantised ones are no parameters, and on the CPU."""
        return next((weight.device for weight in self.parameters()), torch.device("cpu"))

    def save(self, folder: Path) -> None:
        """Write config.json and weights.safetensors; the same model is the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(self.config.model_dump_json(indent=2) + "\n")
        save_file({name: value.contiguous().cpu() for name, value in self.state_dict().items()}, folder / WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> "Separator":
        """Read a model folder.

        Raises:
            UserError: it is none, or its weights do not belong to its config.
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
    return [_generator(tuple(numbers), device) for numbers in seeds]


def _generator(numbers: tuple[int, ...], device: torch.device) -> Generator:
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state >> np.uint64(1)))
