"""The command `unsung restyle`: its arguments and help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from unsung.errors import UserError
from unsung.options import (
    FILES,
    MODEL,
    Bitrate,
    Bits,
    Duration,
    JsonLines,
    Listen,
    Name,
    OneFile,
    Out,
    Overlap,
    Seed,
    Songs,
    Start,
    finite,
)

TRAINED = Path("restyle/models/best")  # where `make restyle` leaves a model


def restyle(
    songs: Songs,
    style: Annotated[str, typer.Option(help="The style to give, such as carol; by default the model's own.")] = "",
    out: Out = Path("out"),
    model: Annotated[
        Path, typer.Option("--model", "-m", help="A model folder that restyles; make restyle trains one.", readable=False)
    ] = TRAINED,
    strength: Annotated[
        float, typer.Option(min=0, max=1, callback=finite, help="0 is the song itself, to the last bit; 1 the style alone.")
    ] = 1.0,
    keep: Annotated[
        Literal["nothing", "vocals"], typer.Option(help="vocals: separate first, restyle the band, add the voice back.")
    ] = "nothing",
    separator: Annotated[
        Path, typer.Option(help="The model that takes the vocals out, for --keep.", readable=False, rich_help_panel=MODEL)
    ] = Path("songs"),
    format: Annotated[OneFile, typer.Option(help="Of the files.", rich_help_panel=FILES)] = "flac",
    bits: Bits = None,
    bitrate: Bitrate = None,
    name: Name = "",
    listen: Listen = False,
    start: Start = 0.0,
    duration: Duration = None,
    seed: Seed = 0,
    window: Annotated[
        float, typer.Option(min=1, callback=finite, help="Seconds restyled at once; memory grows with it.", rich_help_panel=MODEL)
    ] = 10.0,
    overlap: Overlap = 0.25,
    json_lines: JsonLines = False,
) -> None:
    """Play songs in another style: what would this song be as a carol?

    SONG becomes OUT/SONG/<style>.flac, with the song's own sample rate, channels, tags and cover.
    The model is mono and works on the CPU. docs/restyle.md says what it can do and what not.
    """
    from unsung.config.schema import Separate
    from unsung.formats import Encoding
    from unsung.parallel import default_workers
    from unsung.places import Wanted
    from unsung.progress import Lines, Terminal
    from unsung.restyle.restyling import Manner
    from unsung.restyle.songs import load, restyle_songs
    from unsung.separation import Method
    from unsung.shipped import folder_of
    from unsung.songs import check

    if model == TRAINED and not model.exists():
        raise UserError(f"{model} is not here; train a model (make restyle, in a checkout), or name one with --model")
    usual = Separate(window_seconds=8.0, overlap=0.25, batch_size=4, accelerator="cpu", int8=False)
    kept = Method(folder_of(separator), usual, seed) if keep == "vocals" else None
    wanted = Wanted(out, Encoding(format, bits, bitrate), (), name, start, duration, listen, default_workers(1.0))
    manner = Manner(window, overlap, seed)
    told = Lines if json_lines else Terminal
    check(restyle_songs(songs, lambda: load(model, style, manner, strength, kept), wanted, lambda found: told(str(model), found)))
