"""pools: recordings that are not songs: voices without songs, and accompaniments without voices.

A pool is a folder of audio files below data.root with a pool.yaml, which says its kind, licence and
credit. A file NAME.flac of a pool of kind `vocals` or `accompaniment` is a track with that stem
alone. In a pool of kind `songs` a track has both, NAME.vocals.flac and NAME.accompaniment.flac.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from ruamel.yaml import YAML

from unsung.audio import EXTENSIONS
from unsung.config.params import read_yaml
from unsung.config.section import Section, validate
from unsung.data.credits import Credit
from unsung.data.providers.base import Facts
from unsung.data.providers.layout import is_folder
from unsung.data.tracks import Recording, Split
from unsung.errors import UserError

FACTS = Facts(
    title="Pools: voices, accompaniments, songs", songs="yours", hours="", format="any audio", download="nothing",
    licence="that of each pool",
)  # fmt: skip
CARD = "pool.yaml"
STEMS = ("vocals", "accompaniment")
WHAT_TO_DO = "write one with kind, licence and credit (docs/data.md)"


def _is_a_line(words: str) -> str:
    """Words that a report can show."""
    if not words.strip() or not words.isprintable():
        raise ValueError("it must be a line of words")
    return words.strip()


Line = Annotated[str, Field(max_length=2000), AfterValidator(_is_a_line)]


class Settings(Section):
    """`providers.pools` in params.yaml."""


class Card(Section):
    """What a pool.yaml says."""

    kind: Literal["vocals", "accompaniment", "songs"]
    licence: Line  # SPDX, or words
    credit: Line  # whom to name
    split: Split = "train"


@dataclass(frozen=True)
class Pool:
    """A folder of recordings of one kind."""

    folder: Path
    card: Card
    files: tuple[Path, ...]

    def recordings(self) -> Iterator[Recording]:
        """The tracks by name."""
        by_name = dict[str, list[Path]]()
        for path in self.files:
            name = path.stem.rpartition(".")[0] or path.stem if self.card.kind == "songs" else path.name
            by_name.setdefault(name, []).append(path)
        for name, paths in sorted(by_name.items()):
            if self.card.kind == "songs":
                stems = [path.stem.removeprefix(f"{name}.") for path in paths]
                named, fault = dict(zip(stems, paths, strict=True)), _fault(name, stems)
            else:
                name, named, fault = paths[0].stem, {self.card.kind: paths[0]}, ""
            recording = Recording.of_files(f"{self.folder.name}/{name}", self.card.split, {} if fault else named)
            yield replace(recording, fault=fault)


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every recording of every pool below `root`.

    Raises:
        UserError: there is no pool, one does not say what it is, or a target is not the vocals.
    """
    if odd := set(targets) - {"vocals"}:
        raise UserError(f"model.targets has {min(odd)}, and pools tell vocals and accompaniment apart; set it to [vocals]")
    for pool in pools(root):
        yield from pool.recordings()


def credits(root: Path) -> list[Credit]:
    """A credit for each pool."""
    return [Credit(pool.folder.name, pool.card.licence, pool.card.credit) for pool in pools(root)]


def pools(root: Path) -> list[Pool]:
    """The pools below `root` by name: folders with a pool.yaml, or with audio files.

    Raises:
        UserError: there is none; or one has no pool.yaml, no audio, or a value that is not clear.
    """
    found = []
    for folder in sorted(path for path in root.iterdir() if is_folder(path) and not path.name.startswith(".")):
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        files = tuple(path for path in entries if path.suffix.lower() in EXTENSIONS and not is_folder(path))
        if files or (folder / CARD).exists():
            found.append(Pool(folder, _card(folder / CARD), files))
            if not files:
                raise UserError(f"{folder} holds no audio file; put the pool's files right into it, or remove its {CARD}")
    if not found:
        raise UserError(f"{root} holds no pool, which is a folder of audio files with a {CARD}; set data.root to one that does")
    return found


def _card(path: Path) -> Card:
    """What a pool.yaml says, if that is clear."""
    values = read_yaml(path, YAML(typ="safe"), missing=f"{path.parent} has no {CARD}; {WHAT_TO_DO}")
    card = validate(Card, values, str(path))
    if card.kind != "songs" and card.split != "train":
        raise UserError(f"split in {path} is {card.split!r}, and only songs can validate or test; set it to train, or leave it out")
    return card


def _fault(name: str, stems: Sequence[str]) -> str:
    """Why the files of a song are none, or nothing."""
    if set(stems) - set(STEMS):
        return "its name does not end in .vocals or .accompaniment"
    if twice := [stem for stem in stems if stems.count(stem) > 1]:
        return f"two files for the stem {twice[0]}"
    lost = [stem for stem in STEMS if stem not in stems]
    return f"no {name}.{lost[0]}" if lost else ""
