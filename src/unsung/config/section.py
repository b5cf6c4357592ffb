"""What every section of params.yaml is: typed, frozen, without unknown keys.

Types that config.json of a model folder shares with it are here, too.
"""

import reprlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from unsung.errors import UserError

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[int, Field(ge=1, le=256)]  # of layers and the like, which are built one by one
Size = Annotated[int, Field(ge=1, le=2**14)]  # of a layer
Sizes = Annotated[tuple[Size, ...], Field(min_length=1, max_length=12)]
Exponent = Annotated[float, Field(gt=0, le=1)]
MaskKind = Literal["complex", "magnitude"]
SampleRate = Annotated[int, Field(ge=1000, le=192_000)]  # Hz
Channels = Literal[1, 2]
WindowSize = Annotated[int, Field(ge=16, le=2**16)]  # samples
MAX_NAME = 64  # letters
PARTS_OF_ALL = {"mixture", "accompaniment"}  # files beside the stems
M = TypeVar("M", bound=BaseModel)
SHORT = reprlib.Repr()
SHORT.maxstring, SHORT.maxlist, SHORT.maxdict, SHORT.maxlevel, SHORT.maxother = 60, 6, 4, 2, 60


def _is_name(name: str) -> str:
    """A name that can be that of a file, everywhere."""
    letters = name.replace("-", "").replace("_", "").replace(" ", "")
    fine = letters and all(unicodedata.category(letter)[0] in "LMN" for letter in letters)
    if not fine or len(name) > MAX_NAME or name != name.strip():
        raise ValueError(f"a name has letters, digits, spaces, - and _, at most {MAX_NAME} of them")
    return name


def _are_different(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of stems, which no file system takes for each other, nor for another part of a song."""
    if len({name.casefold() for name in names}) < len(names) or {name.casefold() for name in names} & PARTS_OF_ALL:
        raise ValueError("targets must be different stems, none of them mixture or accompaniment")
    return names


StemName = Annotated[str, AfterValidator(_is_name)]
Targets = Annotated[tuple[StemName, ...], Field(min_length=1), AfterValidator(_are_different)]


class Section(BaseModel):
    """A part of params.yaml: no unknown keys, no changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False, defer_build=True)


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

    @classmethod
    def by_default(cls, forward: Section) -> "ProcessSettings":
        """The settings for sampling where there is no params.yaml."""
        return cls.model_validate({**cls.sampling_defaults, "forward": forward})

    def changed(self, **values: object) -> "ProcessSettings":
        """The same settings with some values changed, such as calls=4.

        Raises:
            UserError: the process cannot work so.
        """
        return validate(type(self), self.model_dump() | values, "the sampling")

    def check(self, network: NetworkSettings, calls: Sequence[int]) -> None:
        """Raise a ValueError if the process cannot work with this network or in so many calls."""


def validate(schema: type[M], values: Any, where: str) -> M:
    """Check `values` against `schema`; bytes are those of a JSON file.

    Raises:
        UserError: the first value that is wrong, in one line that names its key.
    """
    try:
        return schema.model_validate_json(values) if isinstance(values, bytes) else schema.model_validate(values)
    except ValidationError as error:
        raise UserError(_first(error, where)) from None


def _first(error: ValidationError, where: str) -> str:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return f"{where} is not JSON ({message.removeprefix('Invalid JSON: ')})"
    key = ".".join(str(part) for part in first["loc"])
    if not key and first["type"] in ("model_type", "dict_type"):
        return f"{where} is empty; it must have keys and values" if first["input"] is None else f"{where} has no keys and values"
    if not (isinstance(first["input"], dict) and first["type"] == "value_error"):
        message = f"is {SHORT.repr(first['input'])}: {message}"
    known = {"missing": "is missing; add it", "extra_forbidden": "is not a parameter; remove it or mend its name"}
    return f"{key} in {where} {known.get(first['type'], message)}" if key else f"{where}: {message}"
