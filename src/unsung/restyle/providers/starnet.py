"""starnet: pieces of classical music, each by strings and piano and by clarinet and vibraphone.

StarNet (Alinoori and Tzerpos 2022, Music-STAR, https://zenodo.org/record/6917099) has six files of
each piece, `<piece>.<number>.wav`. The numbers are as in the code of its users; the data itself was
not at hand here.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from unsung.data.providers.base import DrawnSplits as Settings
from unsung.data.providers.layout import drawn_splits, walk
from unsung.data.tracks import Recording
from unsung.errors import UserError

__all__ = ["STYLES", "Settings", "tracks"]

STYLES = {"clarinet_vibraphone": 0, "clarinet": 1, "vibraphone": 2, "strings_piano": 3, "strings": 4, "piano": 5}


def tracks(root: Path, settings: Settings, styles: tuple[str, str]) -> Iterator[Recording]:
    """Every piece in two of the STYLES; one that lacks a file says so in its `fault`.

    Raises:
        UserError: a style is not one of StarNet's, or there are too few pieces.
    """
    if odd := [style for style in styles if style not in STYLES]:
        raise UserError(f"StarNet has no style {odd[0]}, only {', '.join(STYLES)}; mend data.source and data.target")
    pieces: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in (path for folder in walk(root) for path in folder.files if path.suffix.lower() == ".wav"):
        piece, _, number = path.stem.rpartition(".")
        if piece and number in "012345":
            pieces[piece][number] = path
    splits = drawn_splits(list(pieces), settings.valid, settings.test, str(root))
    for piece, files in pieces.items():
        wanted = {style: files.get(str(STYLES[style])) for style in styles}
        lost = [f"{piece}.{STYLES[style]}.wav" for style, path in wanted.items() if path is None]
        recording = Recording.of_files(piece, splits[piece], {style: path for style, path in wanted.items() if path})
        yield replace(recording, fault=f"no {', '.join(lost)}" if lost else "")
