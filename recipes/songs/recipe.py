"""recipe.yaml: the model, the pools with their shares, what is drawn for a segment, and how it is trained."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from recipes.songs.pools import Pool, Variety
from unsung.config.schema import Loss
from unsung.models.separator import Config

RECIPE = Path(__file__).with_name("recipe.yaml")


class Training(BaseModel):
    """How the weights are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: int
    segment_seconds: float
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    clip: float
    ema: float
    bfloat16: bool
    seed: int


class Recipe(BaseModel):
    """All that a run depends on but the recordings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Config
    pools: tuple[Pool, ...]
    variety: Variety
    training: Training
    loss: Loss

    @classmethod
    def load(cls, path: Path = RECIPE, **changes: object) -> "Recipe":
        """Read a recipe; `changes` are of the form network__dim=96 (of the network's settings) or training__clip=2."""
        found = YAML(typ="safe").load(path)
        for name, value in changes.items():
            section, key = name.split("__")
            (found["model"]["network_settings"] if section == "network" else found[section])[key] = value
        return cls.model_validate(found)

    @property
    def frames(self) -> int:
        """Of a training segment."""
        return round(self.training.segment_seconds * self.model.sample_rate / self.model.hop_length) + 1
