"""The `unsung` command. Only arguments and words are here; the work is done by the library."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from unsung import __version__
from unsung.errors import told_in_one_line

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def run() -> None:
    """Entry point: bad input is one line and exit code 1."""
    with told_in_one_line():
        app()


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unsung {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """What would this song be if nobody sang?"""


@app.command()
def separate(
    songs: Annotated[list[Path], typer.Argument(help="Songs: wav, flac, ogg, opus, mp3, m4a, ...", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Each song gets a folder here.")] = Path("out"),
    model: Annotated[Path, typer.Option("--model", "-m", help="A model folder.")] = Path("models/best"),
    steps: Annotated[int | None, typer.Option(min=1, help="Network calls a window; by default what suits the process.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampling, where it is random.")] = 0,
    window: Annotated[float, typer.Option(min=0.5, help="Seconds separated at once; memory grows with it.")] = 8.0,
    overlap: Annotated[float, typer.Option(min=0, max=0.5, help="Share of a window that fades into the next.")] = 0.25,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows at once on a GPU.")] = 4,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    int8: Annotated[
        bool, typer.Option("--int8", help="Multiply matrices in 8 bits, on a CPU: faster for large models, a little less exact.")
    ] = False,
) -> None:
    """Take the voice (or whatever the model knows) out of songs.

    SONG becomes OUT/SONG/<stem>.flac and OUT/SONG/accompaniment.flac, 24 bit, at the song's own sample rate and channels; they
    add up to the song. A song that was finished before with the same model and options is not separated again.
    """
    from unsung.params import validate
    from unsung.sections import Separate
    from unsung.separation import separate_files

    settings = {"window_seconds": window, "overlap": overlap, "batch_size": batch_size, "accelerator": accelerator, "int8": int8}
    separate_files(songs, out, model, validate(Separate, settings, "the options"), {} if steps is None else {"steps": steps}, seed)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A model folder, such as models/best.", show_default=False)],
    format: Annotated[Literal["onnx", "torchscript"], typer.Option(help="What runs it.")] = "onnx",
    part: Annotated[
        Literal["separator", "call"],
        typer.Option(help="From song to counterfactuals in one call, or what a sampler calls."),
    ] = "separator",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file or its folder; by default here.", show_default=False),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Matrices of 8 bits, for a CPU (torchscript).")] = False,
) -> None:
    """Write a model as one file that needs no unsung to run, for input of any length."""
    from unsung.export import write

    typer.echo(write(model, format, part, out, int8))


@app.command()
def preset(
    name: Annotated[str, typer.Argument(help="A file of presets/ without .yaml: demo, musdb18hq, mir1k, ...", show_default=False)],
    root: Annotated[str, typer.Option(help="The data.root to go with it: your songs, or your copy of the dataset.")] = "",
) -> None:
    """Write the values of a preset into params.yaml and show what changed; `unsung preset demo` goes back."""
    from unsung.presets import apply

    typer.echo((apply(name, root) or f"params.yaml is as the preset {name} wants it").rstrip())
