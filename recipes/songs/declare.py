"""pool.yaml: what a pool is, so that the pipeline's provider `pools` can read it (docs/data.md)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from unsung.data.providers.pools import CARD, Card
from unsung.files import atomically

SOURCES = Path(__file__).with_name("sources.yaml")


def sources(*kinds: str) -> list[Mapping[str, str]]:
    """Every source of these kinds in sources.yaml."""
    found = YAML(typ="safe").load(SOURCES)
    return [source for kind in kinds for source in found[kind].values()]


def declare(folder: Path, kind: str, made_of: Sequence[Mapping[str, str]], split: str = "train") -> None:
    """Write pool.yaml: licences and credits are those of all that the recordings were made of."""
    said = {key: "; ".join(dict.fromkeys(source[key] for source in made_of)) for key in ("licence", "credit")}
    card = Card.model_validate({"kind": kind, **said, "split": split})
    yaml = YAML()
    yaml.width = 10_000
    with atomically(folder / CARD) as partial:
        yaml.dump(card.model_dump(), partial)
