"""A model folder: config.json, which says all but the weights, and weights.safetensors."""

from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from unsung.config.section import validate
from unsung.errors import UserError

CONFIG, WEIGHTS = "config.json", "weights.safetensors"
C = TypeVar("C", bound=BaseModel)


def write(folder: Path, config: BaseModel, module: nn.Module) -> None:
    """Write both files; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", "utf-8")
    weights = {name: value.detach().contiguous().cpu() for name, value in module.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights))


def read_config(folder: Path, kind: type[C], what: str, what_to_do: str) -> C:
    """The config of a folder, which should be of `what`.

    Raises:
        UserError: a file is missing, or the config is not as `write` wrote it.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} is not {what}: {name} is missing; {what_to_do}")
    path = folder / CONFIG
    try:
        return validate(kind, path.read_bytes(), str(path))
    except UserError as error:
        raise UserError(f"{error}; {what_to_do}") from None


def read_weights(folder: Path, wanted: dict[str, Tensor], what_to_do: str) -> dict[str, Tensor]:
    """The weights of a folder, if they have the names and shapes of `wanted`.

    Raises:
        UserError: they have not, or the file is not whole, or a weight is no number.
    """
    path = folder / WEIGHTS
    try:
        weights = load(path.read_bytes())
    except SafetensorError as error:
        raise UserError(f"{path} is not a whole safetensors file ({error}); {what_to_do}") from None
    if odd := sorted(weights.keys() ^ wanted.keys()):
        raise UserError(f"{path} {'lacks' if odd[0] in wanted else 'has the unknown'} {odd[0]}; {what_to_do}")
    for name, value in weights.items():
        shape = list(wanted[name].shape)
        if value.dtype != torch.float32 or list(value.shape) != shape:
            found = f"{value.dtype} {list(value.shape)}"
            raise UserError(f"{path} has {name} as {found}, the config wants float32 {shape}; {what_to_do}")
        if not value.isfinite().all():
            raise UserError(f"{path} has NaN or infinite weights in {name}; {what_to_do}")
    return weights
