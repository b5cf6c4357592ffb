"""Options that several commands have, with their help."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from unsung.errors import UserError

FILES, MODEL, MACHINE = "What is written", "How it is done", "What it runs on"


def finite(value: float | None) -> float | None:
    """Refuse NaN and infinity."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def _song(path: str) -> Path:
    if not path:  # which would be the folder where we are
        raise UserError("a song has an empty name; name a file or a folder")
    return Path(path)


Songs = Annotated[
    list[Path], typer.Argument(help="Songs (wav, flac, ogg, opus, mp3, m4a, ...) or folders.", metavar="SONG...", parser=_song)
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Each song gets a folder here.", readable=False)]
Bits = Annotated[int | None, typer.Option(help="16 or 24, of flac and wav; by default 24.", rich_help_panel=FILES)]
Bitrate = Annotated[int | None, typer.Option(min=32, max=512, help="kbit/s of a file that loses something.", rich_help_panel=FILES)]
Name = Annotated[str, typer.Option(help="Names below OUT, without ending.", show_default="{song}/{stem}", rich_help_panel=FILES)]
Listen = Annotated[bool, typer.Option("--listen", help="Also a page to listen to the parts.", rich_help_panel=FILES)]
Start = Annotated[float, typer.Option(min=0, callback=finite, help="Begin at this second.", rich_help_panel=FILES)]
Duration = Annotated[
    float | None, typer.Option(min=0.01, callback=finite, help="So many seconds, instead of all.", rich_help_panel=FILES)
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the sampling, where it is random.", rich_help_panel=MODEL)]
Overlap = Annotated[
    float,
    typer.Option(min=0, max=0.5, callback=finite, help="Share of a window that fades into the next.", rich_help_panel=MODEL),
]
Jobs = Annotated[int | None, typer.Option(min=1, max=1000, help="CPU cores to use; by default all.", rich_help_panel=MACHINE)]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Tell a program: one JSON object a line on stdout.", rich_help_panel=MACHINE)
]
OneFile = Literal["flac", "wav", "wav-float", "mp3", "ogg", "opus", "m4a"]
