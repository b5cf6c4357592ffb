"""The `unsung` command: arguments and help. The library does the work."""

import gc
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from unsung.errors import UserError, one_line, told_in_one_line
from unsung.options import (
    FILES,
    MACHINE,
    MODEL,
    Bitrate,
    Bits,
    Duration,
    Jobs,
    JsonLines,
    Listen,
    Name,
    Out,
    Overlap,
    Seed,
    Songs,
    Start,
    finite,
)
from unsung.restyle.command import restyle


class _Commands(TyperGroup):
    """The commands. What goes wrong is told before typer sees it, which has words of its own."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with told_in_one_line():
            return super().make_context(*arguments, **options)

    def invoke(self, *arguments: Any, **options: Any) -> Any:
        with told_in_one_line():
            return super().invoke(*arguments, **options)


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def run() -> None:
    """Entry point; what the user can mend is printed as one line, with exit code 1."""
    gc.set_threshold(100_000)  # imports make many objects that stay; to look for garbage among them takes 0.1 s and more
    with told_in_one_line():
        app()


def _version(wanted: bool) -> bool:
    if wanted:
        from unsung import __version__

        typer.echo(f"unsung {__version__}")
        raise typer.Exit
    return wanted  # typer takes it for the option's value


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """What would this song be if nobody sang?"""


@app.command()
def separate(
    songs: Songs,
    out: Out = Path("out"),
    model: Annotated[
        Path, typer.Option("--model", "-m", help="A model that `unsung models` lists, or a model folder.", readable=False)
    ] = Path("songs"),
    stems: Annotated[str, typer.Option(help="Write only these, such as vocals,accompaniment.", rich_help_panel=FILES)] = "",
    format: Annotated[
        Literal["flac", "wav", "wav-float", "mp3", "ogg", "opus", "m4a", "stem.mp4"],
        typer.Option(help="flac and wav add up to the song to the last bit, the others do not.", rich_help_panel=FILES),
    ] = "flac",
    bits: Bits = None,
    bitrate: Bitrate = None,
    name: Name = "",
    listen: Listen = False,
    start: Start = 0.0,
    duration: Duration = None,
    calls: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Network calls per window; the default suits the process.", rich_help_panel=MODEL),
    ] = None,
    seed: Seed = 0,
    window: Annotated[
        float,
        typer.Option(min=0.5, callback=finite, help="Seconds separated at once; memory grows with it.", rich_help_panel=MODEL),
    ] = 8.0,
    overlap: Overlap = 0.25,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, gpu:1 (the second) or mps.", rich_help_panel=MACHINE)] = "auto",
    jobs: Jobs = None,
    batch_size: Annotated[int, typer.Option(min=1, max=10_000, help="Windows at once on a GPU.", rich_help_panel=MACHINE)] = 4,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="16-bit floats: faster on many GPUs, less exact.", rich_help_panel=MACHINE)
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="8-bit matrices, on a CPU: faster for large models, less exact.", rich_help_panel=MACHINE),
    ] = False,
    json_lines: JsonLines = False,
) -> None:
    """Take the voice (or the other targets of the model) out of songs.

    SONG becomes OUT/SONG/<stem>.flac and OUT/SONG/accompaniment.flac, 24 bit, with the song's own
    sample rate, channels, tags and cover. They add up to the song. The songs of a folder keep their
    tree below OUT. A song that was finished before with the same model and options is not separated
    again; one that cannot be separated does not stop the others.
    """
    from unsung.config.schema import Separate
    from unsung.config.section import validate
    from unsung.formats import Encoding
    from unsung.parallel import default_workers
    from unsung.places import Wanted
    from unsung.progress import Lines, Terminal
    from unsung.separation import Method
    from unsung.shipped import folder_of
    from unsung.songs import check, separate_songs

    options = {"window_seconds": window, "overlap": overlap, "batch_size": batch_size, "accelerator": accelerator, "int8": int8}
    method = Method(folder_of(model), validate(Separate, options, "the options"), seed, calls=calls, bfloat16=bf16)
    only = tuple(stem.strip() for stem in stems.split(",") if stem.strip())
    wanted = Wanted(out, Encoding(format, bits, bitrate), only, name, start, duration, listen, jobs or default_workers(1.0))
    check(separate_songs(songs, method, wanted, lambda found: (Lines if json_lines else Terminal)(str(model), found)))


app.command()(restyle)


@app.command()
def score(
    references: Annotated[Path, typer.Argument(help="A folder with a folder of stems for each track.", readable=False)],
    estimates: Annotated[Path, typer.Argument(help="The same layout, from any separator.", readable=False)],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every score to this file.", readable=False)] = None,
    mixture: Annotated[bool, typer.Option("--mixture", help="Score the mixture too: baseline, NSDR and GNSDR.")] = False,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Score what is there if estimates are missing.")] = False,
    window: Annotated[float, typer.Option(min=0.01, callback=finite, help="Seconds of a scored frame.")] = 1.0,
    taps: Annotated[int, typer.Option(min=1, help="Samples of BSSEval's filters.")] = 512,
    engine: Annotated[Literal["unsung", "museval"], typer.Option(help="What computes BSSEval; only the time differs.")] = "unsung",
    silent_estimates: Annotated[
        Literal["dropped", "scored"], typer.Option(help="Frames with a silent estimate: no score, as in museval, or 0 dB.")
    ] = "dropped",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core and per 4 GB.")] = None,
) -> None:
    """Score a folder of estimates, of any separator, against a folder of references.

    A track is a folder, a stem is a file in it: REFERENCES/Artist - Song/vocals.wav,
    ESTIMATES/Artist - Song/vocals.mp3. An estimated accompaniment is compared with the sum of all
    stems but the vocals. docs/metrics.md says what the scores mean.
    """
    import json
    from importlib.util import find_spec

    from unsung.errors import INSTALL

    if engine == "museval" and not find_spec("museval"):
        raise UserError(f"--engine museval needs museval, which is not installed; run {INSTALL}")
    from unsung.config.schema import Compute, Evaluate
    from unsung.files import atomically, check_place, is_stdout
    from unsung.parallel import default_workers
    from unsung.reporting import markdown
    from unsung.scoring import aggregate, folders

    json_on_stdout = json_file is not None and is_stdout(json_file)  # then nothing else may be there
    if json_file and check_place(json_file) and not folders.is_json(json_file):
        raise UserError(f"{json_file} is there and holds no scores; give --json another name, or remove it")
    settings = Evaluate(window_seconds=window, filter_taps=taps, engine=engine, silent_estimates=silent_estimates)
    compute = Compute(scheduler="", workers=workers or default_workers(), loader_workers=0, tensorboard=False, wandb=False)
    frames, tracks, remarks = folders.score_folders(references, estimates, settings, compute, mixture, allow_missing)
    if json_file:
        with atomically(json_file) as partial:
            partial.write_text(json.dumps(folders.as_json(frames, tracks, settings), indent=1, allow_nan=False) + "\n")
    for table in (tracks, aggregate.by_system(tracks)):
        typer.echo(f"{markdown.table(aggregate.shown(table))}\n", err=json_on_stdout)
    for remark in remarks:
        typer.echo(f"unsung: {one_line(remark)}", err=True)


@app.command()
def check(
    root: Annotated[Path, typer.Argument(help="Your songs, or your copy of a dataset.", readable=False)],
    provider: Annotated[
        str, typer.Option(help="How they are laid out: folder, musdb18hq, pools, ...; by default that of params.yaml, or folder.")
    ] = "",
    target: Annotated[
        list[str] | None, typer.Option(help="A stem that each track must have; by default those of params.yaml, or vocals.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was found to this file.", readable=False)] = None,
    clipped: Annotated[
        float, typer.Option(min=0, max=100, callback=finite, help="Percent of a file's samples that may be clipped.")
    ] = 0.1,
    residual: Annotated[
        float | None,
        typer.Option(callback=finite, help="Highest mixture minus stems, in dB of the mixture; -10 by default (docs/data.md)."),
    ] = None,
    may_be_silent: Annotated[
        list[str] | None, typer.Option(help="A stem that may be silent throughout a track, such as drums.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core and per GB.")] = None,
) -> None:
    """Read a dataset once and list its faults, before any work; exit code 1 if there are any.

    What a run would refuse; other lengths, sample rates or channel counts within a track; NaN;
    stems that are silent, clipped or another stem; mixtures that are not the sum of their stems;
    one recording in two tracks.
    """
    import json

    from unsung.config.schema import Compute
    from unsung.data.check import Limits
    from unsung.data.check import check as examine
    from unsung.files import atomically, check_place, is_stdout
    from unsung.parallel import default_workers
    from unsung.reporting import markdown

    json_on_stdout = json_file is not None and is_stdout(json_file)  # then nothing else may be there
    if json_file and check_place(json_file):
        from unsung.scoring.folders import is_json  # here: it takes a second to import

        if not is_json(json_file):
            raise UserError(f"{json_file} is there and is not JSON; give --json another name, or remove it")
    number = workers or default_workers(gigabytes=1.0)
    compute = Compute(scheduler="", workers=number, loader_workers=0, tensorboard=False, wandb=False)
    found = examine(root, provider, target or [], compute, Limits(clipped, residual, tuple(may_be_silent or ())))
    if json_file:
        with atomically(json_file) as partial:
            partial.write_text(json.dumps(found.as_json(), indent=1, allow_nan=False) + "\n")
    table = f"{markdown.table(found.table())}\n\n" if found.faults else ""
    typer.echo(table + "\n".join(map(one_line, found.summary())), err=json_on_stdout)
    if found.faults:
        raise UserError(f"{root} has {len(found.faults)} fault(s); mend them, or remove these tracks")


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="One that `unsung models` lists, or a folder such as models/best.", readable=False)],
    format: Annotated[Literal["onnx", "torchscript"], typer.Option(help="The format of the file.")] = "onnx",
    part: Annotated[
        Literal["separator", "call"], typer.Option(help="Songs to counterfactuals in one call, or a single network call.")
    ] = "separator",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file or its folder; by default here.", readable=False)
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit matrices, for a CPU (torchscript).")] = False,
) -> None:
    """Write a model as one file that runs without unsung, on input of any length."""
    from unsung.export import write
    from unsung.files import is_stdout
    from unsung.shipped import folder_of

    path = write(folder_of(model), format, part, out, int8)
    typer.echo(path, err=is_stdout(path))


@app.command()
def models(
    model: Annotated[Path | None, typer.Argument(help="One of them: show all of its card.", readable=False)] = None,
) -> None:
    """List the models that come with unsung and those in models/, or show the card of one."""
    from unsung import shipped

    typer.echo(shipped.described(shipped.card_of(model)) if model else shipped.listed(Path("models")))


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="A git revision: main, a tag, a commit.")],
    head: Annotated[str | None, typer.Argument(help="Another one; by default the workspace.")] = None,
    md: Annotated[bool, typer.Option("--md", help="Markdown for a pull request, with every change and track.")] = False,
    metric: Annotated[str | None, typer.Option(help="What is judged; by default the first target's SDR.")] = None,
    fail_below: Annotated[
        float | None, typer.Option(max=0, callback=finite, help="Exit with 3 if worse than this (dB, such as -0.3).")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Let --fail-below judge even what cannot be compared.")] = False,
    pictures: Annotated[Path | None, typer.Option(help="Write pictures to this folder.", readable=False)] = None,
    repository: Annotated[str, typer.Option(help="Its address on GitHub, for links to pictures.", show_default=False)] = "",
) -> None:
    """Compare two revisions: metrics, params, data, and each test track before and after.

    It says whether the change is real, within noise, or cannot be compared. Everything is read from
    git; no data are needed.
    """
    from unsung.comparing import comment
    from unsung.comparing.comparison import Comparison
    from unsung.comparing.revisions import Revision

    revisions = Revision.of(base), Revision.of(head)
    targets = revisions[1].params.get("model.targets") or ["vocals"]
    if not isinstance(targets, list):
        raise UserError(f"model.targets in params.yaml of {revisions[1].name} is {targets!r}; give it a list of stems")
    result = Comparison(*revisions, metric or f"{targets[0]}.sdr")
    if pictures:
        comment.write_pictures(result, pictures)
    failed = fail_below is not None and result.fell_below(fail_below, anyway)
    typer.echo(comment.as_markdown(result, pictures, repository, fail_below if failed else None) if md else comment.plain(result))
    if fail_below is not None and not math.isfinite(result.change if anyway or not result.obstacles else math.nan):
        typer.echo("unsung: --fail-below judged nothing, because the two cannot be compared", err=True)
    if failed:
        typer.echo(f"unsung: {result.metric} is worse by {abs(result.change):.2f}, beyond --fail-below {fail_below:g}", err=True)
        raise typer.Exit(3)


@app.command()
def preset(
    name: Annotated[str, typer.Argument(help="A file of presets/ without .yaml: demo, musdb18hq, mir1k, ...", show_default=False)],
    root: Annotated[str, typer.Option(help="The data.root for it: your songs, or your copy of the dataset.")] = "",
    begin: Annotated[str, typer.Option("--from", help="Begin with this model's weights: a name or a folder.")] = "",
) -> None:
    """Write a preset into params.yaml and show what changed; `unsung preset demo` goes back."""
    from unsung.config.params import load_params
    from unsung.config.presets import apply
    from unsung.data.needs import disk

    typer.echo((apply(name, root, begin) or f"params.yaml is as the preset {name} wants it").rstrip())
    typer.echo(disk(load_params()))
