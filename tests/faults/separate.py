"""Faults around `unsung separate`: where its files go, its options, kills, full disks."""

import os
import platform
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.faults.fault import Fault
from tests.faults.runner import Done, Limits
from unsung.cli import run
from unsung.files import fingerprint

SEPARATE = "separate song.wav -m models/tiny"
BOTH = ("out/song/vocals.flac", "out/song/accompaniment.flac")
LONG = 60  # seconds of a song that takes a while


def noise(path: Path, seconds: float = 1.0, rate: int = 8000, channels: int = 2, seed: int = 1, **kind: str) -> Path:
    """Write a song of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    soundfile.write(path, samples, rate, **kind)
    return path


def separated(here: Path, *options: str, song: str = "song.wav", out: str = "out") -> None:
    """Separate a song, in this process."""
    import sys

    before, arguments = Path.cwd(), sys.argv
    os.chdir(here)
    try:
        sys.argv = ["unsung", "separate", song, "-m", "models/tiny", "-o", out, *options]
        run()
    except SystemExit as error:
        assert not error.code
    finally:
        sys.argv = arguments
        os.chdir(before)


def then(*steps: Callable[[Path], object]) -> Callable[[Path], None]:
    """One step after another."""

    def all_of_them(here: Path) -> None:
        for step in steps:
            step(here)

    return all_of_them


def moved(source: str, target: str) -> Callable[[Path], None]:
    """Move a file to a place in another folder."""

    def step(here: Path) -> None:
        (here / target).parent.mkdir(parents=True, exist_ok=True)
        (here / source).rename(here / target)

    return step


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], int]:
    """Change the bytes of a file."""
    return lambda here: (here / name).write_bytes(change((here / name).read_bytes()))


def flipped(data: bytes, place: float) -> bytes:
    """One bit is another, at a share of the length."""
    at = int(len(data) * place)
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def add_up(here: Path, song: str = "song.wav", out: str = "out/song") -> None:
    """The parts have the song's frames and add up to it."""
    parts = [soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64) >> 8 for path in (here / out).glob("*.flac")]
    whole = np.rint(soundfile.read(here / song, dtype="float32", always_2d=True)[0].astype(float) * 2**23)
    np.testing.assert_array_equal(sum(parts), whole)


def writable_again(folder: str) -> Callable[[Path, object], None]:
    """So that the test's own folder can be removed."""
    return lambda here, done: (here / folder).chmod(0o755)


def no_parts(here: Path, done: object) -> None:
    """Nothing was written."""
    assert not list(here.glob("out/**/*.flac"))


INPUT_IN_OUTPUT = [
    Fault(
        "the input is OUT/vocals/vocals.flac",
        "separate out/vocals/vocals.flac -m models/tiny",
        "lies in",
        make=lambda here: noise(here / "out/vocals/vocals.flac"),
    ),
    Fault(
        "the input is OUT/vocals/vocals.flac, given by an absolute path",
        "separate",
        "lies in",
        make=lambda here: noise(here / "out/vocals/vocals.flac"),
        arguments=("separate", "{here}/out/vocals/vocals.flac", "-m", "models/tiny"),
    ),
    Fault(
        "the input lies deeper in its output folder",
        "separate out/song/takes/song.wav -m models/tiny",
        "lies in",
        make=lambda here: noise(here / "out/song/takes/song.wav"),
    ),
    Fault(
        "the input is a link to a file in its output folder",
        "separate vocals.flac -m models/tiny",
        "lies in",
        make=lambda here: (noise(here / "out/vocals/vocals.flac"), (here / "vocals.flac").symlink_to("out/vocals/vocals.flac")),
    ),
    Fault(
        "the input is reached through a link to the output folder",
        "separate link/vocals/vocals.flac -m models/tiny",
        "lies in",
        make=lambda here: (noise(here / "out/vocals/vocals.flac"), (here / "link").symlink_to("out")),
    ),
    Fault(
        "--out is the folder of the song, and the song has its stem's name",
        "separate vocals/vocals.flac -m models/tiny -o .",
        "lies in",
        make=lambda here: noise(here / "vocals/vocals.flac"),
    ),
    Fault(
        "--out is the folder of the song",
        "separate song.wav -m models/tiny -o .",
        code=0,
        whole=("song/vocals.flac", "song/accompaniment.flac"),
    ),
    Fault(
        "one of two songs lies in the other's output folder",
        "separate song.wav out/song/drums.flac -m models/tiny",
        "lies in",
        lines=2,
        make=lambda here: noise(here / "out/song/drums.flac"),
        whole=("out/drums/vocals.flac",),
        absent=("out/song/vocals.flac",),
    ),
    Fault(
        "a song's earlier part is separated further, into the same OUT",
        "separate out/song/vocals.flac -m models/tiny",
        code=0,
        make=separated,
        whole=("out/vocals/vocals.flac", *BOTH),
    ),
]

OTHERS_FILES = [
    Fault("the user's own vocals.flac lies in OUT/song", SEPARATE, "was not written for", make=lambda here: noise(here / BOTH[0])),
    Fault("the user's own accompaniment.flac is there", SEPARATE, "was not written for", make=lambda here: noise(here / BOTH[1])),
    Fault(
        "a folder is called vocals.flac",
        SEPARATE,
        "was not written for",
        make=lambda here: (here / BOTH[0] / "takes").mkdir(parents=True),
    ),
    Fault(
        "vocals.flac is a link to a file of the user's",
        SEPARATE,
        "was not written for",
        make=lambda here: (
            noise(here / "take.flac"),
            (here / "out/song").mkdir(parents=True),
            (here / BOTH[0]).symlink_to("../../take.flac"),
        ),
    ),
    Fault(
        "vocals.flac is a link that leads nowhere",
        SEPARATE,
        "was not written for",
        make=lambda here: ((here / "out/song").mkdir(parents=True), (here / BOTH[0]).symlink_to("nowhere")),
    ),
    Fault(
        "other files of the user's lie in OUT/song",
        SEPARATE,
        code=0,
        make=lambda here: (noise(here / "out/song/guitar.flac"), (here / "out/song/notes.txt").write_text("mine")),
        whole=(*BOTH, "out/song/guitar.flac"),
    ),
    Fault(
        "files of the user's beside an earlier result, other options",
        f"{SEPARATE} --seed 3",
        code=0,
        make=then(separated, lambda here: noise(here / "out/song/guitar.flac"), lambda here: noise(here / "out/song/takes/1.flac")),
        may_change=BOTH,
        whole=(*BOTH, "out/song/guitar.flac", "out/song/takes/1.flac"),
    ),
    Fault(
        "links of the user's beside an earlier result, other options",
        f"{SEPARATE} --seed 3",
        code=0,
        make=then(separated, lambda here: (here / "out/song/link").symlink_to("../../song.wav")),
        may_change=BOTH,
        whole=BOTH,
    ),
    Fault(
        "the result of another song of the same name is there",
        "separate other/song.wav -m models/tiny",
        "was not written for",
        make=then(separated, lambda here: noise(here / "other/song.wav")),
    ),
    Fault(
        "the same song from another place",
        "separate other/song.wav -m models/tiny",
        "finished before",
        code=0,
        make=lambda here: (
            (here / "other").mkdir(),
            shutil.copy(here / "song.wav", here / "other"),
            separated(here, song="other/song.wav"),
        ),
        whole=BOTH,
    ),
    Fault(
        "the song was exported anew",
        SEPARATE,
        code=0,
        make=then(separated, lambda here: noise(here / "song.wav", 2, seed=5)),
        may_change=BOTH,
        whole=BOTH,
        after=lambda here, done: add_up(here),
    ),
    Fault(
        "a part of an earlier result was edited by a program that keeps no comment",
        f"{SEPARATE} --seed 3",
        "was not written for",
        make=then(separated, lambda here: noise(here / BOTH[0])),
    ),
    Fault(
        "the result of an earlier version of unsung is there",
        SEPARATE,
        "was not written for",
        make=lambda here: _with_comment(here / BOTH[0], "unsung 0123456789abcdef"),
    ),
]


def _with_comment(path: Path, comment: str) -> None:
    path.parent.mkdir(parents=True)
    with soundfile.SoundFile(path, "w", 8000, 2, "PCM_24", format="FLAC") as file:
        file.comment = comment
        file.write(np.zeros((100, 2)))


CANNOT = "cannot be written to its end"
FULL = Limits(file_bytes=20_000)


def left_by_a_killed_run(here: Path, process: int = 2**22 + 1) -> None:
    """The folder of a run with this process number."""
    host = fingerprint(platform.node())[:6]
    noise(here / f"out/.song.{host}-{process}-0.partial/vocals.flac")


RESULTS = [
    Fault("nothing wrong", SEPARATE, code=0, whole=BOTH, after=lambda here, done: add_up(here)),
    Fault("finished before", SEPARATE, "finished before", code=0, make=separated, whole=BOTH),
    Fault(
        "other options",
        f"{SEPARATE} --seed 3",
        "vocals.flac",
        code=0,
        make=separated,
        may_change=BOTH,
        whole=BOTH,
        after=lambda here, done: add_up(here),
    ),
    *(
        Fault(
            f"a part was cut to {share:.1%} of its length later",
            SEPARATE,
            "song.wav: ",
            code=0,
            make=then(separated, changed(BOTH[number], lambda data, share=share: data[: int(share * len(data))])),
            may_change=BOTH,
            whole=BOTH,
            after=lambda here, done: (add_up(here), _not_before(done)),
        )
        for number, share in ((0, 0.999), (1, 0.02))
    ),
    Fault(
        "one bit of a part is another, 60% into the file",
        SEPARATE,
        "song.wav: ",
        code=0,
        make=then(separated, changed(BOTH[1], lambda data: flipped(data, 0.6))),
        may_change=BOTH,
        whole=BOTH,
        after=lambda here, done: (add_up(here), _not_before(done)),
    ),
    Fault(
        "a part is empty",
        SEPARATE,
        "was not written for",
        make=then(separated, changed(BOTH[0], lambda data: b"")),
    ),
    Fault(
        "a part is gone",
        SEPARATE,
        code=0,
        make=then(separated, lambda here: (here / BOTH[0]).unlink()),
        may_change=BOTH,
        whole=BOTH,
        after=lambda here, done: add_up(here),
    ),
    *(
        Fault(f"the disk is full after {size} bytes of a file", SEPARATE, CANNOT, limits=Limits(file_bytes=size), after=no_parts)
        for size in (0, 20_000)
    ),
    *(
        Fault(
            f"the disk is full in the last {missing} bytes of a file",
            SEPARATE,
            CANNOT,
            make=lambda here: separated(here, out="measured"),
            limits=Limits(file_bytes=-missing),
            after=no_parts,
        )
        for missing in (1, 8000)
    ),
    Fault("the disk is full, an earlier result is there", f"{SEPARATE} --seed 3", CANNOT, make=separated, limits=FULL, whole=BOTH),
    Fault(
        "a rerun with other options fails: the song is cut",
        f"{SEPARATE} --seed 3",
        "song.wav",
        make=then(
            separated,
            lambda here: noise(here / "x.flac", 2),
            moved("x.flac", "song.wav"),
            changed("song.wav", lambda data: data[:20_000]),
        ),
        whole=BOTH,
    ),
    Fault(
        "a rerun with another model that has other parts",
        "separate song.wav -m models/two",
        code=0,
        make=lambda here: (other_model(here, ["vocals", "drums"]), separated(here)),
        may_change=BOTH,
        whole=(*BOTH, "out/song/drums.flac"),
        after=lambda here, done: add_up(here),
    ),
    Fault(
        "a rerun with a model that has fewer parts",
        SEPARATE,
        code=0,
        make=lambda here: (other_model(here, ["vocals", "drums"]), separated(here, "-m", "models/two")),
        may_change=(*BOTH, "out/song/drums.flac"),
        whole=BOTH,
        absent=("out/song/drums.flac",),
        after=lambda here, done: add_up(here),
    ),
    Fault(
        "what a killed run left is there",
        SEPARATE,
        code=0,
        make=left_by_a_killed_run,
        may_change=("out/.song.*", "out/.song.*/*"),
        whole=BOTH,
        absent=("out/.song.*",),
    ),
    Fault(
        "another run on the same song is at work",
        SEPARATE,
        code=0,
        make=lambda here: left_by_a_killed_run(here, os.getpid()),
        whole=(*BOTH, "out/.song.*/vocals.flac"),
    ),
]


def _not_before(done: Done) -> None:
    assert "finished before" not in done.out


def other_model(here: Path, targets: list[str]) -> None:
    """models/two: other targets."""
    import torch

    from unsung.models.separator import Config, Separator

    config = Config.model_validate_json((here / "models/tiny/config.json").read_text())
    torch.manual_seed(1)
    Separator(config.model_copy(update={"targets": tuple(targets)})).save(here / "models/two")


PLACES = [
    Fault(
        "OUT cannot be written",
        SEPARATE,
        "out",
        make=lambda here: (here / "out").mkdir(mode=0o555),
        after=writable_again("out"),
    ),
    Fault(
        "OUT/song cannot be read and holds a file of the user's",
        SEPARATE,
        "out/song",
        make=lambda here: (noise(here / BOTH[0]), (here / "out/song").chmod(0)),
        after=writable_again("out/song"),
    ),
    Fault("OUT is a file", "separate song.wav -m models/tiny -o song.wav", "song.wav"),
    Fault("OUT is below a file", "separate song.wav -m models/tiny -o song.wav/out", "song.wav"),
    Fault("OUT is in /proc", "separate song.wav -m models/tiny -o /proc/out", "/proc/out"),
    Fault(
        "OUT/song is a file",
        SEPARATE,
        "out/song",
        make=lambda here: ((here / "out").mkdir(), (here / "out/song").write_text("mine")),
    ),
    Fault(
        "OUT/song is a link to a folder elsewhere",
        SEPARATE,
        code=0,
        make=lambda here: (
            (here / "out").mkdir(),
            (here / "far/away").mkdir(parents=True),
            (here / "out/song").symlink_to("../far/away"),
        ),
        whole=("far/away/vocals.flac",),
    ),
    Fault(
        "OUT/song is a link that leads nowhere",
        SEPARATE,
        code=0,
        make=lambda here: ((here / "out").mkdir(), (here / "out/song").symlink_to("../far/away")),
        whole=("far/away/vocals.flac",),
    ),
    Fault(
        "OUT is a link in a circle",
        SEPARATE,
        "out",
        make=lambda here: (here / "out").symlink_to("out"),
    ),
    Fault("OUT is empty", "separate", arguments=(*SEPARATE.split(), "-o", ""), code=0, whole=("song/vocals.flac",)),
    Fault("OUT has a very long name", "separate", "too long", arguments=(*SEPARATE.split(), "-o", "x" * 300)),
    Fault("OUT is not Unicode", "separate", code=0, arguments=(*SEPARATE.split(), "-o", b"caf\xe9")),
]

SONGS = [
    Fault("a song that is not there", "separate nowhere.mp3 -m models/tiny", "nowhere.mp3 is not"),
    Fault("the second song is not there", f"{SEPARATE} nowhere.mp3", "nowhere.mp3 is not", lines=2, whole=BOTH),
    Fault("the first song is not there", "separate nowhere.mp3 song.wav -m models/tiny --jobs 1", "1 of 2", lines=2, whole=BOTH),
    Fault("no song at all", "separate -m models/tiny", "Missing argument", code=2),
    Fault(
        "two songs of one name",
        f"{SEPARATE} other/song.flac",
        "two songs are called song",
        lines=3,
        make=lambda here: noise(here / "other/song.flac"),
        after=no_parts,
    ),
    Fault("/dev/stdin for a song", "separate /dev/stdin -m models/tiny", "/dev/stdin is a pipe"),
    Fault(
        "a song called ...wav",
        "separate ...wav -m models/tiny",
        "...wav has no name",
        make=lambda here: noise(here / "...wav", format="WAV"),
    ),
    Fault(
        "a song called -x.wav",
        "separate -m models/tiny -- -x.wav",
        code=0,
        make=lambda here: noise(here / "-x.wav"),
        whole=("out/-x/vocals.flac",),
    ),
    Fault(
        "a song with a name of 255 bytes",
        "separate",
        code=0,
        arguments=("separate", "x" * 251 + ".wav", "-m", "models/tiny"),
        make=lambda here: noise(here / ("x" * 251 + ".wav")),
        whole=("out/*/vocals.flac",),
    ),
    Fault(
        "songs with brackets, stars and a rest of a killed run in their names",
        "separate",
        code=0,
        arguments=("separate", "[a]*?.wav", "-m", "models/tiny"),
        make=lambda here: noise(here / "[a]*?.wav"),
        whole=("out/*/vocals.flac",),
    ),
    Fault(
        "a song of one sample",
        "separate one.wav -m models/tiny",
        code=0,
        make=lambda here: noise(here / "one.wav", 1 / 8000),
        whole=("out/one/vocals.flac",),
    ),
    *(
        Fault(
            f"a song of {rate} Hz",
            "separate odd.wav -m models/tiny",
            "" if code == 0 else "Hz",
            code=code,
            make=lambda here, rate=rate: noise(here / "odd.wav", min(1, 2000 / rate) * 4, rate),
            whole=("out/odd/vocals.flac",) if code == 0 else (),
            after=lambda here, done, code=code: add_up(here, "odd.wav", "out/odd") if code == 0 else None,
        )
        for rate, code in (
            (7, 0),
            (44_100, 0),
            (65_537, 1),
            (655_350, 0),
            (700_001, 1),
        )
    ),
    *(
        Fault(
            f"a song of {channels} channels",
            "separate odd.wav -m models/tiny",
            "" if code == 0 else "at most 8 channels",
            code=code,
            make=lambda here, channels=channels: noise(here / "odd.wav", 0.2, 8000, channels),
            whole=("out/odd/vocals.flac",) if code == 0 else (),
            after=lambda here, done, code=code: add_up(here, "odd.wav", "out/odd") if code == 0 else None,
        )
        for channels, code in ((1, 0), (8, 0), (9, 1))
    ),
    Fault(
        "a song far beyond full scale",
        "separate loud.wav -m models/tiny",
        "times full scale",
        make=lambda here: soundfile.write(here / "loud.wav", 9.0 * np.ones((4000, 1)), 8000, subtype="FLOAT"),
        after=no_parts,
    ),
    Fault(
        "a silent song",
        "separate silent.wav -m models/tiny",
        code=0,
        make=lambda here: soundfile.write(here / "silent.wav", np.zeros((4000, 1)), 8000),
        whole=("out/silent/vocals.flac",),
    ),
]

OPTIONS = [
    *(
        Fault(f"{option} {value}", f"{SEPARATE} {option} {value}", says, code=code, after=no_parts)
        for option, value, says, code in (
            ("--calls", "0", "--calls", 2),
            ("--calls", "99999999999999999999999", "--calls", 2),
            ("--calls", "many", "--calls", 2),
            ("--seed", "-1", "--seed", 2),
            ("--window", "0", "--window", 2),
            ("--window", "nan", "--window", 2),
            ("--window", "inf", "--window", 2),
            ("--overlap", "0.7", "--overlap", 2),
            ("--overlap", "-0.1", "--overlap", 2),
            ("--batch-size", "0", "--batch-size", 2),
            ("--accelerator", "tpu", "accelerator", 1),
            ("--accelerator", "mps", "torch finds none", 1),
            ("--nonsense", "1", "No such option", 2),
        )
    ),
    *(
        Fault(f"{option} {value}", f"{SEPARATE} {option} {value}", code=0, whole=BOTH, after=lambda here, done: add_up(here))
        for option, value in (
            ("--seed", "99999999999999999999999"),
            ("--window", "0.5"),
            ("--window", "1e12"),
            ("--overlap", "0"),
            ("--overlap", "0.5"),
            ("--batch-size", "10000"),
        )
    ),
    Fault("--calls 3 --int8", f"{SEPARATE} --calls 3 --int8", code=0, whole=BOTH, after=lambda here, done: add_up(here)),
    Fault(
        "a window that memory cannot hold",
        "separate long.wav -m models/tiny --window 1e9 --jobs 1",
        "memory",
        make=lambda here: noise(here / "long.wav", 600, channels=1),
        limits=Limits(memory=60 * 2**20),
        after=no_parts,
    ),
]

OUTPUT = [
    Fault("stdout is closed", SEPARATE, "stdout is not open", limits=Limits(closed=(1,)), whole=BOTH),
    Fault("stderr is closed", SEPARATE, code=0, limits=Limits(closed=(2,)), whole=BOTH),
    Fault("stdin, stdout and stderr are closed", SEPARATE, limits=Limits(closed=(0, 1, 2)), whole=BOTH),
    Fault("stdout is a full device", SEPARATE, "", limits=Limits(stdout="/dev/full"), whole=BOTH),
    Fault("nobody reads stdout", SEPARATE, "", limits=Limits(stdout="|"), whole=BOTH),
    Fault(
        "stdout takes ASCII only",
        "separate",
        code=0,
        arguments=("separate", "müsli ♫.wav", "-m", "models/tiny"),
        make=lambda here: noise(here / "müsli ♫.wav"),
        limits=Limits(encoding="ascii"),
        whole=("out/*/vocals.flac",),
    ),
]


def stopped(what: str, number: int, glob: str, delay: float = 0.0, code: int = 0, **row: object) -> Fault:
    """A signal while a long song is separated."""
    return Fault(
        what,
        "separate song.wav long.wav -m models/tiny --jobs 1",
        code=code,
        make=lambda here: noise(here / "long.wav", LONG),
        limits=Limits(signal=(number, glob), delay=delay),
        **row,  # type: ignore[arg-type]
    )


KILLS = [
    *(
        stopped(
            f"killed {when}",
            signal.SIGKILL,
            glob,
            delay,
            code=-9,
            after=lambda here, done: whole_or_none(here),
        )
        for when, glob, delay in (
            ("when the first folder is made", "out/.song.*", 0.0),
            ("while the first song is written", "out/.song.*/*.part", 0.0),
            ("when the first song is done", "out/song", 0.0),
            ("while the second song is written", "out/.long.*/*.part", 0.05),
        )
    ),
    *(
        stopped(
            f"Ctrl-C {when}",
            signal.SIGINT,
            glob,
            delay,
            code=130,
            says=says,
            after=lambda here, done: whole_or_none(here),
        )
        for when, glob, delay, says in (
            ("before it begins", "song.wav", 0.05, "stopped"),
            ("while the first song is written", "out/.song.*/*.part", 0.0, "0 of 2 songs are finished"),
            ("while the second song is written", "out/.long.*/*.part", 0.05, "1 of 2 songs are finished"),
        )
    ),
    stopped(
        "terminated while the second song is written",
        signal.SIGTERM,
        "out/.long.*/*.part",
        0.05,
        code=-15,
        after=lambda here, done: whole_or_none(here),
    ),
    Fault(
        "Ctrl-C while two songs are separated at once",
        "separate song.wav long.wav -m models/tiny --jobs 3",
        "of 2 songs are finished",
        code=130,
        make=lambda here: noise(here / "long.wav", LONG),
        limits=Limits(signal=(signal.SIGINT, "out/.long.*/*.part"), delay=0.05),
        after=lambda here, done: whole_or_none(here),
    ),
    Fault(
        "the song changes while it is separated",
        "separate long.wav -m models/tiny",
        "was changed while it was separated",
        make=lambda here: _changes_soon(noise(here / "long.wav", LONG)),
        may_change=("long.wav",),
        after=no_parts,
    ),
]


def _changes_soon(song: Path) -> None:
    """Another process touches the song when its separation has begun."""
    if os.fork():
        return
    import time

    for _ in range(5000):
        if list(song.parent.glob("out/.long.*/*.part")):
            os.utime(song)
            break
        time.sleep(0.002)
    os._exit(0)


def whole_or_none(here: Path) -> None:
    """What has a final name is whole and adds up."""
    for song in ("song", "long"):
        if (here / "out" / song).exists():
            add_up(here, f"{song}.wav", f"out/{song}")


FAULTS = [*INPUT_IN_OUTPUT, *OTHERS_FILES, *RESULTS, *PLACES, *SONGS, *OPTIONS, *OUTPUT, *KILLS]
