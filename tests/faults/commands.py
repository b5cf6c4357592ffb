"""Faults around export, compare, preset and the stages that evaluate and report."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import yaml

from tests.conftest import ROOT
from tests.faults.fault import Fault
from tests.faults.runner import MEGABYTE, Done, Limits

EXPORT = "export models/tiny"
SCRIPT = f"{EXPORT} --format torchscript"
TRACKS = [f"Song {number}" for number in range(6)]
COLUMNS = ["track", "split", "ragged", "stem", "path", "stream", "channel", "sample_rate", "channels", "frames", "sha256"]


# compare: a repository in which a run was committed, and tagged `base`


def git(here: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run(["git", *identity, *arguments], cwd=here, check=True, capture_output=True)


def write_run(here: Path, score: float) -> None:
    """The files of a run that a comparison reads."""
    (here / "metrics").mkdir(exist_ok=True)
    (here / "reports").mkdir(exist_ok=True)
    (here / "metrics/separation.json").write_text(json.dumps({"vocals": {"sdr": score}}))
    scores = score + np.arange(len(TRACKS))
    pd.DataFrame({"track": TRACKS, "vocals_sdr": scores}).to_csv(here / "reports/tracks.csv", index=False)
    (here / "params.yaml").write_text(yaml.safe_dump({"model": {"targets": ["vocals"]}}))
    lock = {"schema": "2.0", "stages": {"evaluate": {"deps": [{"path": "data/stems/test", "md5": "1"}]}}}
    (here / "dvc.lock").write_text(yaml.safe_dump(lock))


def history(change: Callable[[Path], object] = lambda here: None, later: Callable[[Path], object] = lambda here: None) -> Callable:
    """A run, changed, committed and tagged; then another in the workspace, changed as well."""

    def make(here: Path) -> None:
        git(here, "init", "-q")
        write_run(here, 5.0)
        change(here)
        git(here, "add", "metrics", "reports", "params.yaml", "dvc.lock")
        git(here, "commit", "-qm", "run")
        git(here, "tag", "base")
        write_run(here, 6.0)
        later(here)

    return make


def writing(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda here: (here / name).write_bytes(content.encode() if isinstance(content, str) else content)


def shallow(here: Path) -> None:
    """A clone without the commit that is asked for, and the run of its last."""
    source = here / "source"
    source.mkdir()
    history()(source)
    git(source, "commit", "-qam", "again")
    git(here, "clone", "-q", "--depth", "1", f"file://{source}", "clone")
    for name in (".git", "metrics", "reports", "params.yaml", "dvc.lock"):
        (here / "clone" / name).rename(here / name)


def without_objects(here: Path) -> None:
    """A repository that lost the contents of its files."""
    history()(here)
    for name in ("metrics/separation.json", "reports/tracks.csv", "dvc.lock"):
        found = subprocess.run(["git", "rev-parse", f"base:{name}"], cwd=here, check=True, capture_output=True, text=True)
        sha = found.stdout.strip()
        (here / ".git/objects" / sha[:2] / sha[2:]).unlink()


# preset: params.yaml and presets/


def project(change: Callable[[Path], object] = lambda here: None) -> Callable[[Path], None]:
    def make(here: Path) -> None:
        shutil.copy(ROOT / "params.yaml", here)
        shutil.copytree(ROOT / "presets", here / "presets")
        change(here)

    return make


def linked(here: Path) -> None:
    (here / "params.yaml").rename(here / "real.yaml")
    (here / "params.yaml").symlink_to("real.yaml")


def root_is(expected: str) -> Callable[[Path, Done], None]:
    def after(here: Path, done: Done) -> None:
        found = yaml.safe_load((here / "params.yaml").read_text("utf-8"))["data"]["root"]
        assert found == expected, found

    return after


def lines_stay(here: Path, done: Done) -> None:
    assert len((here / "params.yaml").read_text().splitlines()) == len((ROOT / "params.yaml").read_text().splitlines())


# stages: what evaluate and report read


@cache
def params_text() -> str:
    """The project's params, with the sizes of the sounds below."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["audio"] = {"sample_rate": 8000, "channels": 1}
    params["evaluate"]["filter_taps"] = 32
    params["compute"]["workers"] = 1
    return yaml.safe_dump(params)


def stems(change: Callable[[Path], object] = lambda here: None) -> Callable[[Path], None]:
    """One test track, its estimates, and the scores and curves of a run."""

    def make(here: Path) -> None:
        (here / "params.yaml").write_text(params_text())
        rng, rows = np.random.default_rng(0), []
        for folder in ("data/raw", "data/stems/test/A", "data/separated/A", "models", "reports", "data/scores"):
            (here / folder).mkdir(parents=True, exist_ok=True)
        (here / "data/raw/credits.csv").write_text("data,licence,credit\nDemo songs,CC0-1.0,\n")
        for stem in ("vocals", "other"):
            sound = 0.1 * rng.standard_normal((16_000, 1))
            soundfile.write(here / f"data/stems/test/A/{stem}.flac", sound, 8000)
            soundfile.write(here / f"data/separated/A/{stem if stem == 'vocals' else 'accompaniment'}.flac", 0.9 * sound, 8000)
            rows.append(("A", "test", False, stem, f"A/{stem}.flac", 0, None, 8000, 1, 16_000, ""))
        pd.DataFrame(rows, columns=COLUMNS).to_parquet(here / "data/stems/test/tracks.parquet")
        pd.DataFrame({"step": [1, 2], "valid_sdr": [1.0, 2.0]}).to_csv(here / "models/curve.csv", index=False)
        pd.DataFrame({"calls": [1], "valid_sdr": [1.0], "tracks": [1]}).to_csv(here / "reports/calls.csv", index=False)
        for name, table in zip(("frames", "tracks"), scores(), strict=True):
            table.to_parquet(here / f"data/scores/{name}.parquet")
        shutil.copytree(ROOT / "benchmarks", here / "benchmarks", ignore=lambda folder, names: set(names) - {"crossings.csv"})
        change(here)

    return make


@cache
def scores() -> tuple[pd.DataFrame, pd.DataFrame]:
    """As the stage evaluate writes them, for one track of two seconds."""
    from unsung.scoring.evaluation import SYSTEMS
    from unsung.scoring.scorer import MEASURES, PITCH, WHOLE

    both = [(system, source) for system in SYSTEMS for source in ("vocals", "accompaniment")]
    frames = [
        {
            "source": source,
            "frame": i,
            "start": float(i),
            **dict.fromkeys(MEASURES, 5.0),
            "dropped": "",
            "track": "A",
            "system": system,
        }
        for system, source in both
        for i in range(2)
    ]
    whole = [
        {
            "source": source,
            "seconds": 2.0,
            **dict.fromkeys((*WHOLE, PITCH), 5.0),
            "ill_posed": False,
            "track": "A",
            "system": system,
        }
        for system, source in both
    ]
    return pd.DataFrame(frames), pd.DataFrame(whole)


def cut(name: str, share: float = 0.5) -> Callable[[Path], object]:
    return lambda here: (here / name).write_bytes((here / name).read_bytes()[: round((here / name).stat().st_size * share)])


def gone(name: str) -> Callable[[Path], object]:
    return lambda here: (here / name).unlink()


def holds(name: str, least: int = 1000) -> Callable[[Path, Done], None]:
    """The file is there and is an export."""

    def after(here: Path, done: Done) -> None:
        from unsung.export import _is_export

        assert (here / name).stat().st_size > least and _is_export(here / name)

    return after


FAULTS = [
    # export
    Fault("export: nothing wrong", EXPORT, code=0, after=holds("tiny.onnx")),
    Fault("export: a model that is not there", "export nowhere", "nowhere is not a model folder"),
    Fault("export: int8 as ONNX", f"{EXPORT} --int8", "int8 is for torchscript"),
    Fault("export: int8 as TorchScript", f"{SCRIPT} --int8", code=0, after=holds("tiny-int8.pt")),
    Fault("export: a format that is not there", f"{EXPORT} --format coreml", "--format", code=2),
    Fault(
        "export: into a folder that may only be read",
        f"{EXPORT} -o locked",
        "locked/tiny.onnx may not be",
        make=lambda h: (h / "locked").mkdir(mode=0o555),
    ),
    Fault("export: into a folder that is not there", f"{SCRIPT} -o a/b/c.pt", code=0, after=holds("a/b/c.pt")),
    Fault("export: over a song", f"{EXPORT} -o song.wav", "song.wav is there and is no exported model"),
    Fault("export: over the weights", f"{EXPORT} -o models/tiny/weights.safetensors", "is no exported model"),
    Fault(
        "export: over a zip of the user's",
        f"{SCRIPT} -o mine.zip",
        "mine.zip is there and is no exported model",
        make=lambda h: shutil.make_archive(str(h / "mine"), "zip", h / "models"),
    ),
    Fault(
        "export: twice",
        f"{SCRIPT} -o b.pt",
        code=0,
        make=lambda h: writing("b.pt", b"")(h),
        may_change=("b.pt",),
        after=holds("b.pt"),
    ),
    Fault("export: ONNX on a full disk", EXPORT, "tiny.onnx cannot grow", limits=Limits(file_bytes=5000), absent=("*.onnx",)),
    Fault(
        "export: a link to a file that is not there",
        f"{SCRIPT} -o link.pt",
        code=0,
        make=lambda h: (h / "link.pt").symlink_to("real.pt"),
        after=holds("real.pt"),
    ),
    Fault(
        "export: a link to itself",
        f"{EXPORT} -o link.onnx",
        "leads back to itself",
        make=lambda h: (h / "link.onnx").symlink_to("link.onnx"),
    ),
    Fault("export: too little memory", EXPORT, "the memory is full", limits=Limits(memory=MEGABYTE // 2)),
    Fault(
        "export: Ctrl-C",
        EXPORT,
        "unsung: stopped",
        code=130,
        limits=Limits(signal=(signal.SIGINT, ".*.partial")),
        absent=("*.onnx",),
    ),
    # compare
    Fault("compare: nothing wrong", "compare base", "Really better", code=0, make=history()),
    Fault("compare: outside git", "compare main", "git cannot be asked here", make=lambda h: write_run(h, 5.0)),
    Fault("compare: a revision that is not there", "compare nowhere", "git knows no revision 'nowhere'", make=history()),
    Fault("compare: a revision that looks like an option", "compare -- --all", "git knows no revision '--all'", make=history()),
    Fault("compare: a shallow clone", "compare HEAD~1", "fetch it", make=shallow),
    Fault("compare: a repository that lost files", "compare base", "git cannot show", make=without_objects),
    Fault(
        "compare: a revision without a run",
        "compare base",
        "has no vocals.sdr",
        code=0,
        make=history(gone("metrics/separation.json")),
    ),
    Fault(
        "compare: a workspace without a run",
        "compare base",
        "dvc.lock is not in the workspace",
        make=history(later=gone("dvc.lock")),
    ),
    Fault(
        "compare: metrics cut",
        "compare base",
        "metrics/separation.json of base is not",
        make=history(cut("metrics/separation.json")),
    ),
    Fault(
        "compare: a metric of words",
        "compare base",
        "metrics/separation.json of the workspace is not",
        make=history(later=writing("metrics/separation.json", '{"vocals": {"sdr": "good"}}')),
    ),
    Fault(
        "compare: tracks that are no table",
        "compare base",
        "reports/tracks.csv of base is not",
        make=history(writing("reports/tracks.csv", b"\xff\x00\xfe,,,\n1")),
    ),
    Fault(
        "compare: tracks without names",
        "compare base",
        "reports/tracks.csv of the workspace is not",
        make=history(later=writing("reports/tracks.csv", "vocals_sdr\n1\n")),
    ),
    Fault(
        "compare: tracks of no bytes", "compare base", "has no vocals.sdr", code=0, make=history(writing("reports/tracks.csv", b""))
    ),
    Fault(
        "compare: params with the marks of a merge",
        "compare base",
        "params.yaml of the workspace is not",
        make=history(later=writing("params.yaml", "<<<<<<< HEAD\nseed: 0\n=======\nseed: 1\n>>>>>>> main\n")),
    ),
    Fault(
        "compare: a target that is a number",
        "compare base",
        "model.targets",
        make=history(later=writing("params.yaml", "model: {targets: 3}\n")),
    ),
    Fault(
        "compare: dvc.lock cut",
        "compare base",
        "dvc.lock of base is not",
        make=history(writing("dvc.lock", "stages:\n  evaluate:\n    deps: [{pa")),
    ),
    Fault(
        "compare: dvc.lock with odd parts",
        "compare base",
        "dvc.lock of base is not",
        make=history(writing("dvc.lock", "stages: {evaluate: {deps: [{md5: 1}]}}\n")),
    ),
    Fault(
        "compare: a metric that is not there",
        "compare base --metric vocals.loudness",
        "vocals.loudness is not among",
        make=history(),
    ),
    Fault("compare: --fail-below above 0", "compare base --fail-below 1", "--fail-below", code=2, make=history()),
    Fault(
        "compare: it fell",
        "compare base --fail-below -0.1",
        "is worse by 2.00",
        code=3,
        make=history(later=lambda h: write_run(h, 3.0)),
    ),
    Fault(
        "compare: --fail-below that cannot judge",
        "compare base --fail-below -0.1 --anyway",
        "judged nothing",
        code=0,
        make=history(gone("metrics/separation.json")),
    ),
    Fault(
        "compare: pictures in a folder that may only be read",
        "compare base --pictures locked",
        "may not be",
        make=history(later=lambda h: (h / "locked").mkdir(mode=0o555)),
    ),
    Fault(
        "compare: pictures on a full disk",
        "compare base --pictures shown",
        "differences.png cannot grow",
        make=history(),
        limits=Limits(file_bytes=100),
        absent=("shown/*",),
    ),
    # preset
    Fault(
        "preset: nothing wrong",
        "preset mir1k --root /songs",
        "+  root: /songs",
        code=0,
        make=project(),
        may_change=("params.yaml",),
        after=lines_stay,
    ),
    Fault("preset: no params.yaml", "preset demo", "params.yaml is not here; run from the project's folder"),
    Fault(
        "preset: no presets",
        "preset demo",
        "there is no preset demo, only nothing",
        make=project(lambda h: shutil.rmtree(h / "presets")),
    ),
    Fault("preset: one that is not there", "preset ../params", "there is no preset ../params, only crnn, demo", make=project()),
    Fault(
        "preset: params.yaml may not be written",
        "preset mir1k",
        "params.yaml may not be",
        make=project(lambda h: (h / "params.yaml").chmod(0o444)),
    ),
    Fault(
        "preset: params.yaml is a link",
        "preset mir1k --root /songs",
        "root: /songs",
        code=0,
        make=project(linked),
        may_change=("real.yaml",),
        after=root_is("/songs"),
    ),
    Fault("preset: params.yaml is cut", "preset demo", "params.yaml", make=project(cut("params.yaml"))),
    Fault(
        "preset: a preset that is broken",
        "preset mine",
        "mine.yaml is not YAML",
        make=project(writing("presets/mine.yaml", "train: {")),
    ),
    Fault("preset: a full disk", "preset mir1k", "params.yaml cannot grow", make=project(), limits=Limits(file_bytes=1000)),
    Fault(
        "preset: a root with line ends",
        "preset demo",
        "--root",
        make=project(),
        arguments=("preset", "demo", "--root", "a\nseed: 1"),
    ),
    Fault(
        "preset: a root that is not Unicode",
        "preset demo",
        "--root",
        make=project(),
        arguments=("preset", "demo", "--root", b"a\xff"),
    ),
    Fault(
        "preset: a root full of YAML",
        "preset demo",
        "root:",
        code=0,
        make=project(),
        may_change=("params.yaml",),
        arguments=("preset", "demo", "--root", "'\"{[*&!|>%@`#: ,\\"),
        after=root_is("'\"{[*&!|>%@`#: ,\\"),
    ),
    # stages
    Fault(
        "stage evaluate: an estimate is missing",
        "stage evaluate",
        "run the stage separate again",
        make=stems(gone("data/separated/A/vocals.flac")),
    ),
    Fault(
        "stage evaluate: an estimate of another length",
        "stage evaluate",
        "run the stage separate again",
        make=stems(lambda h: soundfile.write(h / "data/separated/A/vocals.flac", np.zeros(99), 8000)),
    ),
    Fault(
        "stage evaluate: a track without the target",
        "stage evaluate",
        "has no drums",
        make=stems(writing("params.yaml", params_text().replace("- vocals", "- drums"))),
    ),
    Fault(
        "stage evaluate: a full disk",
        "stage evaluate",
        "frames.parquet cannot grow",
        make=stems(gone("data/scores/frames.parquet")),
        limits=Limits(file_bytes=500),
        absent=("data/scores/frames.parquet",),
    ),
    Fault(
        "stage report: no scores", "stage report", "run the stage evaluate again", make=stems(gone("data/scores/frames.parquet"))
    ),
    Fault("stage report: a curve cut", "stage report", "run the stage train again", make=stems(cut("models/curve.csv", 0.9))),
    Fault("stage report: no sweep", "stage report", "run the stage sweep again", make=stems(gone("reports/calls.csv"))),
    Fault(
        "stage report: an estimate is missing",
        "stage report",
        "run the stage separate again",
        make=stems(gone("data/separated/A/vocals.flac")),
    ),
    Fault(
        "stage report: scores of other tracks",
        "stage report",
        "run the stage evaluate again",
        make=stems(
            lambda h: [
                table.assign(track="B").to_parquet(h / f"data/scores/{name}.parquet")
                for name, table in zip(("frames", "tracks"), scores(), strict=True)
            ]
        ),
    ),
    Fault(
        "stage report: a map cut",
        "stage report",
        "run the stage separate again",
        make=stems(
            lambda h: (
                (h / "data/uncertainty/A").mkdir(parents=True),
                np.save(h / "data/uncertainty/A/vocals.npy", np.zeros((99, 99))),
                cut("data/uncertainty/A/vocals.npy")(h),
            )
        ),
    ),
    Fault(
        "stage sweep: no model",
        "stage sweep",
        "models/best",
        make=stems(lambda h: shutil.copytree(h / "data/stems/test", h / "data/stems/valid")),
    ),
    # options, help and streams of all commands
    Fault("a command that is not there", "seperate song.wav", "seperate", code=2),
    Fault("--help to a full disk", "--help", "stdout cannot grow", limits=Limits(stdout="/dev/full")),
    Fault("--version to a closed stdout", "--version", "stdout is not open", limits=Limits(closed=(1,))),
    Fault("a batch of 2**70", f"separate song.wav -m models/tiny --batch-size {2**70}", "--batch-size", code=2),
]
