"""slakh2100: Slakh2100 redux, MIDI files played by sampled instruments. Nobody sings.

For `model.targets: [bass]` and the like, and for training before real songs. Downloaded, or read
from data.root, where it was extracted (data: doi:10.5281/zenodo.4599666). URL and MD5 as in mirdata
(mirdata/datasets/slakh.py), size as Zenodo gives it. Folder `omitted` is never read, because its
songs are in another split as well. The stem of a file is its inst_class in metadata.yaml.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unsung.data.providers.base import Facts, Limited
from unsung.data.providers.layout import grouped, is_file, is_folder, lacking, place
from unsung.data.remote import Remote
from unsung.data.tracks import Recording, Source, Split

FACTS = Facts(
    title="Slakh2100 redux", songs="1710", hours="about 118", format="44.1 kHz mono, a FLAC for each instrument",
    download="104 GB", licence="CC-BY-4.0", url="https://doi.org/10.1109/WASPAA.2019.8937170",
    citation="Manilow, Wichern, Seetharaman and Le Roux (2019). Cutting Music Source Separation Some Slakh: "
    "A Dataset to Study the Impact of Training Data Quality and Quantity. WASPAA",
)  # fmt: skip
ARCHIVE = Remote(
    "https://zenodo.org/record/4599666/files/slakh2100_flac_redux.tar.gz", "md5:f4b71b6c45ac9b506f59788456b3f0c4", 104_322_767_708
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
    """Every song by number.

    Raises:
        UserError: a folder of the split is missing, or a target is not among the stems.
    """
    where = place(root, tuple(FOLDERS), "Slakh2100 redux")
    for name, split in FOLDERS.items():
        for folder in sorted(path for path in (where / name).iterdir() if not path.name.startswith(".")):
            if is_folder(folder) or folder.is_symlink():
                sources, fault = _sources(folder)
                stems = grouped(sources, settings.stems, targets, "slakh2100")
                mix = (Source(folder / "mix.flac"),)
                yield Recording(folder.name, split, {"mixture": mix, **stems}, ragged=True, fault=fault)


def _sources(folder: Path) -> tuple[dict[str, list[Source]], str]:
    """The files of each class of instrument, and what is wrong with the folder.

    Some that the metadata name were never rendered, and have no file.
    """
    metadata, sources = folder / "metadata.yaml", dict[str, list[Source]]()
    if fault := lacking([metadata, folder / "mix.flac"]):
        return sources, fault
    lost: list[Path] = []
    try:
        for key, facts in YAML(typ="safe").load(metadata)["stems"].items():
            path = folder / "stems" / f"{key}.flac"
            stem = "drums" if facts["is_drum"] else _stem(facts["inst_class"])
            if is_file(path) and (folder.name, key) not in BROKEN:
                sources.setdefault(stem, []).append(Source(path))
            elif facts.get("audio_rendered") is True and not is_file(path):
                lost.append(path)
    except OSError as error:
        return {}, f"{metadata.name}: {error.strerror}"
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return {}, f"metadata.yaml is not as Slakh2100 has it: {type(error).__name__}"
    return sources, lacking(lost)


def _stem(inst_class: str) -> str:
    """`Chromatic Percussion` -> chromatic_percussion, `Strings (continued)` -> strings."""
    return inst_class.split("(")[0].strip().lower().replace(" ", "_")
