"""slakh2100: Slakh2100 redux, 1710 MIDI files played by sampled instruments, 44.1 kHz mono FLAC. No singer is among them.

Manilow, Wichern, Seetharaman and Le Roux 2019, doi:10.1109/WASPAA.2019.8937170; data: doi:10.5281/zenodo.4599666. CC BY 4.0.
104 GB as tar.gz, about 118 hours. For `model.targets: [bass]` and the like, and for training before real songs. Downloaded, or read
from a copy that was extracted to data.root. URL and MD5 as in mirdata (mirdata/datasets/slakh.py), size as Zenodo gives it.

The redux split: 1289 train, 270 validation and 151 test; folder `omitted` holds 390 songs that are in another split as well
and is never read. Which stem a file belongs to is its inst_class in metadata.yaml.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.data.providers.base import Facts, Limited
from unsung.data.providers.layout import grouped, limited, place
from unsung.data.remote import Remote
from unsung.data.tracks import Recording, Source, Split
from unsung.errors import UserError

FACTS = Facts(
    title="Slakh2100 redux",
    songs="1710",
    hours="about 118",
    format="44.1 kHz mono, a FLAC for each instrument",
    download="104 GB",
    licence="CC-BY-4.0",
    citation=(
        "Manilow, Wichern, Seetharaman and Le Roux (2019). "
        "Cutting Music Source Separation Some Slakh: A Dataset to Study the Impact of "
        "Training Data Quality and Quantity. WASPAA"
    ),
    url="https://doi.org/10.1109/WASPAA.2019.8937170",
)

ARCHIVE = Remote(
    url="https://zenodo.org/record/4599666/files/slakh2100_flac_redux.tar.gz",
    checksum="md5:f4b71b6c45ac9b506f59788456b3f0c4",
    size=104_322_767_708,  # bytes
)
FOLDERS: dict[str, Split] = {"train": "train", "validation": "valid", "test": "test"}
BROKEN = {("Track01500", "S12"), ("Track01500", "S13")}  # a constant tone (github.com/ethman/slakh-utils, issue 21)


STEMS = Literal[
    "piano", "bass", "guitar", "drums", "strings", "organ", "brass", "reed", "pipe", "synth_lead", "synth_pad",
    "chromatic_percussion", "ethnic", "percussive", "sound_effects",
]  # fmt: skip


class Settings(Limited):
    """`providers.slakh2100` in params.yaml."""

    stems: Annotated[tuple[STEMS, ...], Field(min_length=1)]


def tracks(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    """Every song by number, at most `providers.slakh2100.limit` of each split.

    Raises:
        UserError: a folder of the split is missing, a metadata.yaml cannot be understood, or a song lacks its mix.
    """
    return limited(_songs(root, settings, targets), settings.limit)


def _songs(root: Path, settings: Settings, targets: tuple[str, ...]) -> Iterator[Recording]:
    where = place(root, tuple(FOLDERS), "Slakh2100 redux")
    for name, split in FOLDERS.items():
        for folder in sorted(path.parent for path in (where / name).glob("*/metadata.yaml")):
            mix = folder / "mix.flac"
            if not mix.is_file():
                raise UserError(f"{mix} is missing; extract Slakh2100 again")
            stems = grouped(_sources(folder), settings.stems, targets, "slakh2100")
            yield Recording(folder.name, split, {"mixture": (Source(mix),), **stems}, ragged=True)


def _sources(folder: Path) -> dict[str, list[Source]]:
    """The files of each class of instrument; some were never rendered, whatever the metadata say, and are not there."""
    try:
        stems = YAML(typ="safe").load(folder / "metadata.yaml")["stems"]
        classes = {key: "drums" if facts["is_drum"] else _stem(facts["inst_class"]) for key, facts in stems.items()}
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'metadata.yaml'} is not as Slakh2100 has it ({error!r}); extract it again") from None
    found: dict[str, list[Source]] = {}
    for key, stem in classes.items():
        path = folder / "stems" / f"{key}.flac"
        if path.is_file() and (folder.name, key) not in BROKEN:
            found.setdefault(stem, []).append(Source(path))
    return found


def _stem(inst_class: str) -> str:
    """`Chromatic Percussion` -> chromatic_percussion, `Strings (continued)` -> strings."""
    return inst_class.split("(")[0].strip().lower().replace(" ", "_")
