"""What every section of params.yaml is: typed, frozen, without unknown keys."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from unsung.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Exponent = Annotated[float, Field(gt=0, le=1)]
MaskKind = Literal["complex", "magnitude"]
S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class NetworkSettings(Section):
    """What the settings of every network have."""

    exponent: Exponent
    mask: MaskKind
    gradient_checkpointing: bool


class ProcessSettings(Section):
    """What the settings of every process have.

    `forward` is what training sees; the other fields only steer the sampling.
    """

    sampling_defaults: ClassVar[Mapping[str, object]]  # of a model that is used without params.yaml

    forward: Section
    calls: PositiveInt

    def changed(self, **values: object) -> "ProcessSettings":
        """The same settings with some values changed, such as calls=4.

        Raises:
            UserError: the process cannot work so.
        """
        return validate(type(self), self.model_dump() | values, "the sampling")

    def check(self, network: NetworkSettings, calls: Sequence[int]) -> None:
        """Raise a ValueError if the process cannot work with this network or in so many calls."""


def validate(schema: type[S], values: Any, where: str) -> S:
    """Check `values` against `schema`.

    Raises:
        UserError: the first value that is wrong, in one line that names its key.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        if not (isinstance(first["input"], dict) and first["type"] == "value_error"):
            message = f"is {first['input']!r}: {message}"
        known = {"missing": "is missing; add it", "extra_forbidden": "is not a parameter; remove it or mend its name"}
        raise UserError(f"{key} in {where} {known.get(first['type'], message)}") from None
