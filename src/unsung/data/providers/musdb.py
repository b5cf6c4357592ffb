"""What the editions of MUSDB18 share: the validation songs and the reading of stem files.

A stem file (.stem.mp4, Native Instruments' format) has five audio streams. PyAV decodes them in
blocks. The samples are stempeg's, which needs ffmpeg, ffprobe and the whole song in memory.
"""

from collections.abc import Iterator
from pathlib import Path

from unsung.data.providers.layout import place
from unsung.data.tracks import Recording, Source, Split

STREAMS = ("mixture", "drums", "bass", "other", "vocals")  # in this order (musdb/configs/mus.yaml, stem_ids)
ENDING = ".stem.mp4"
VALID = {  # musdb/configs/mus.yaml, validation_tracks: the list the field uses
    "Actions - One Minute Smile", "Clara Berry And Wooldog - Waltz For My Victims", "Johnny Lokke - Promises & Lies",
    "Patrick Talbot - A Reason To Leave", "Triviul - Angelsaint", "Alexander Ross - Goodbye Bolero",
    "Fergessen - Nos Palpitants", "Leaf - Summerghost", "Skelpolu - Human Mistakes", "Young Griffo - Pennies",
    "ANiMAL - Rockshow", "James May - On The Line", "Meaxic - Take A Step", "Traffic Experiment - Sirens",
}  # fmt: skip


def songs(root: Path, dataset: str) -> Iterator[tuple[str, Split, Path]]:
    """Every folder or file of train/ and test/ with its song's name and split.

    Raises:
        UserError: one of the two is not there.
    """
    where = place(root, ("train", "test"), dataset)
    for part in ("train", "test"):
        for path in sorted(path for path in (where / part).iterdir() if not path.name.startswith(".")):
            name = path.name.removesuffix(ENDING)
            yield name, "test" if part == "test" else "valid" if name in VALID else "train", path


def stem_files(root: Path, dataset: str) -> Iterator[Recording]:
    """Every stem file below train/ and test/, also one that did not come as a whole."""
    for name, split, path in songs(root, dataset):
        if path.name.endswith(ENDING):
            yield Recording(name, split, {stem: (Source(path, stream),) for stream, stem in enumerate(STREAMS)})
        elif ".stem." in path.name:
            yield Recording(name, split, {}, fault=f"its name does not end in {ENDING}")
