"""The models that come with unsung, by name, and the cards that say what they learned from."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unsung.errors import UserError

FOLDER = Path(__file__).parent / "weights"  # a model folder with a card for each name
CARD, CONFIG = "card.json", "config.json"  # files of a model folder


class Source(BaseModel):
    """Recordings, or what made them, that a model was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    licence: str  # SPDX, or words
    credit: str


class Score(BaseModel):
    """How well a model separates recordings that it was not trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    measure: str
    decibels: float


class Card(BaseModel):
    """What is to be known of a model before it is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    licence: str  # of the weights
    made: str  # date
    commit: str  # of the code that trained it
    hours: float = Field(ge=0)  # of one CPU thread
    steps: int = Field(ge=0)
    scores: tuple[Score, ...]
    sources: tuple[Source, ...]


def names() -> list[str]:
    """The names of the models that come with unsung."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD}"))


def folder_of(model: Path) -> Path:
    """The folder of a shipped model's name; any other path is a folder itself.

    A folder of one's own that is called like a shipped model is ./NAME.
    """
    return FOLDER / model if str(model) in names() else model


def card_of(model: Path) -> Card:
    """The card of a model folder.

    Raises:
        UserError: it has none, or one that this version cannot read.
    """
    path = folder_of(model) / CARD
    try:
        return Card.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{model} has no card; shipped models have one: {', '.join(names())}") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{path} is not a card that this version can read; install unsung again") from None


def listed(folder: Path) -> str:
    """A line for each shipped model and each model folder in `folder`."""
    rows = []
    for path in [FOLDER / name for name in names()] + sorted(config.parent for config in folder.glob(f"*/{CONFIG}")):
        card = card_of(path) if (path / CARD).exists() else None
        name = path.name if path.parent == FOLDER else str(path)
        megabytes = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        rows.append(f"{name:<16} {megabytes:5.1f} MB  {card.summary if card else 'trained here'}")
    return "\n".join(rows) or "no models are here; train one (dvc repro)"


def described(card: Card) -> str:
    """A card as text for a terminal."""
    lines = [
        card.summary,
        "",
        f"weights   {card.licence}",
        f"trained   {card.hours:.1f} hours of one CPU thread, {card.steps} steps, {card.made}, code {card.commit}",
        "",
        "scores on recordings that it was not trained on",
        *(f"  {score.decibels:5.1f} dB  {score.measure}: {score.data}" for score in card.scores),
        "",
        "trained on",
        *(f"  {source.name} ({source.licence}): {source.credit}" for source in card.sources),
    ]
    return "\n".join(lines)
