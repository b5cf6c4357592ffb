"""params.yaml, loaded and checked. Nothing else reads that file.

Values are checked when they are loaded, so a stage never meets a wrong one: an unknown key, a missing key, a value of
another type and a combination that cannot work are each one line naming the key.
"""

import os
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.config.schema import (
    Audio,
    Compute,
    Data,
    Evaluate,
    Model,
    Networks,
    Processes,
    Providers,
    Report,
    Section,
    Separate,
    Shards,
    Spectrum,
    Sweep,
    Train,
)
from unsung.errors import UserError

S = TypeVar("S", bound=Section)


class Params(Section):
    """params.yaml as a whole."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    providers: Providers
    audio: Audio
    spectrum: Spectrum
    shards: Shards
    model: Model
    networks: Networks
    processes: Processes
    train: Train
    separate: Separate
    sweep: Sweep
    evaluate: Evaluate
    report: Report
    compute: Compute

    @property
    def network(self) -> Any:
        """The knobs of the chosen network."""
        return getattr(self.networks, self.model.network)

    @property
    def process(self) -> Any:
        """The knobs of the chosen process."""
        return getattr(self.processes, self.model.process)

    @property
    def sampling(self) -> dict[str, Any]:
        """Those that only steer how it samples."""
        return self.process.model_dump(exclude={"forward"})

    @model_validator(mode="after")
    def _durations_fit(self) -> "Params":
        least = 2 * self.spectrum.n_fft / self.audio.sample_rate
        if min(self.train.segment_seconds, self.separate.window_seconds) < least:
            raise ValueError(
                f"train.segment_seconds and separate.window_seconds must be at least {least:.3f}, two windows of the STFT"
            )
        if self.model.process == "ddpm" and self.processes.ddpm.forward.prediction != "data" and self.network.mask != "complex":
            raise ValueError("noise and velocity are complex: for ddpm to predict them mask must be complex, or prediction data")
        if self.model.process == "ddpm":
            times, start = self.processes.ddpm.forward.times, self.processes.ddpm.start
            if self.train.valid_steps > times:
                raise ValueError("train.valid_steps must not exceed processes.ddpm.forward.times")
            if max(*self.sweep.steps, self.report.spread.steps) > times * start:
                raise ValueError("sweep.steps and report.spread.steps must not exceed forward.times * start of processes.ddpm")
        if odd := set(self.train.loss.target_weights) - set(self.model.targets):
            raise ValueError(f"train.loss.target_weights has {min(odd)}, which is not among model.targets")
        if self.train.segment_seconds > self.shards.segment_seconds:
            raise ValueError("train.segment_seconds must not exceed shards.segment_seconds")
        augment, ends = self.train.augment, (self.spectrum.n_fft + 4 * self.spectrum.hop_length) / self.audio.sample_rate
        longest = max(1.0, augment.stretch_rate[1]) if augment.stretch else 1.0
        if (augment.stretch or augment.pitch) and longest * (self.train.segment_seconds + ends) > self.shards.segment_seconds:
            raise ValueError(
                "train.augment.stretch and pitch need more than a segment: shards.segment_seconds must be at least "
                f"{longest * (self.train.segment_seconds + ends):.2f}"
            )
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or a value in it is missing, unknown or impossible.
    """
    try:
        values = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise UserError(f"{path} is not here; run from the project's folder") from None
    except YAMLError as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    return validate(Params, values, str(path))


def validate(schema: type[S], values: Any, where: str) -> S:
    """Check `values` against `schema`, or say in one line what is wrong with the first of them."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        what = {
            "missing": "is missing; add it",
            "extra_forbidden": "is not a parameter; remove it or mend its name",
        }.get(first["type"], f"is {first['input']!r}: {first['msg'].removeprefix('Value error, ')}")
        if isinstance(first["input"], dict) and first["type"] == "value_error":
            what = str(first["msg"]).removeprefix("Value error, ")
        raise UserError(f"{key} in {where} {what}") from None


def data_root(params: Params) -> Path:
    """The user's folder of tracks; a relative one starts at the main checkout, also in a queued experiment."""
    return Path(os.environ.get("DVC_ROOT", "."), Path(params.data.root).expanduser())


def resume_folder(params: Params) -> Path | None:
    """The model folder to begin training with, if there is one; a relative one starts at the main checkout, as data.root does.

    Raises:
        UserError: it is in this checkout's models/, which DVC empties before it trains.
    """
    if not params.train.resume_from:
        return None
    folder = Path(os.environ.get("DVC_ROOT", "."), Path(params.train.resume_from).expanduser())
    if folder.resolve().is_relative_to(Path("models").resolve()):
        what = "is in models/, which DVC empties before it trains"
        raise UserError(f"train.resume_from ({folder}) {what}; bring it back by dvc checkout models and copy it to another folder")
    return folder
