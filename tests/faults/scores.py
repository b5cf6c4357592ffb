"""Faults around `unsung score`: its two folders, their files, its options and its JSON."""

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from tests.faults.fault import Fault
from tests.faults.runner import MEGABYTE, Done, Limits

RATE = 8000
SCORE = "score references estimates --taps 32 --workers 1"
TRUE, FOUND = "references/A - B", "estimates/A - B"


def sound(seconds: float = 1.0, seed: int = 0, channels: int = 1) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * RATE), channels)).astype(np.float32)


def put(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, format="WAV", subtype="FLOAT")
    return path


def arrange(here: Path, seconds: float = 1.0, name: str = "A - B") -> Path:
    """References and estimates of one track, each with vocals and other."""
    for seed, stem in enumerate(("vocals", "other")):
        true = sound(seconds, seed)
        put(here / "references" / name / f"{stem}.wav", true)
        put(here / "estimates" / name / f"{stem}.wav", (true + sound(seconds, seed + 9) * 0.3).astype(np.float32))
    return here


def then(change: Callable[[Path], object], seconds: float = 1.0) -> Callable[[Path], None]:
    """Arrange the two folders, then change something in them."""

    def make(here: Path) -> None:
        change(arrange(here, seconds))

    return make


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])


def scored(here: Path, done: Done, file: str = "scores.json", tracks: int = 1) -> None:
    found = json.loads((here / file).read_text())
    assert len(found["tracks"]) == tracks and found["tracks"][0]["targets"][0]["frames"], found


def both(here: Path, name: str, samples: np.ndarray, rate: int = RATE) -> None:
    """Write this sound in place of a stem on both sides."""
    for folder in (TRUE, FOUND):
        put(here / folder / f"{name}.wav", samples, rate)


def all_four(here: Path, samples: np.ndarray) -> None:
    for stem in ("vocals", "other"):
        both(here, stem, samples)


def a_reader(here: Path) -> None:
    """A FIFO, and somebody who reads it into another file."""
    os.mkfifo(arrange(here) / "pipe")
    subprocess.Popen(["sh", "-c", "cat pipe > read.json"], cwd=here)


def renamed(name: bytes) -> Callable[[Path], None]:
    """The only track has this name."""

    def make(here: Path) -> None:
        arrange(here)
        for side in ("references", "estimates"):
            (here / side / "A - B").rename(os.fsdecode(os.fsencode(here / side) + b"/" + name))

    return make


def device(path: Path, minor: int) -> None:
    """A device of our own: a run that replaces what it writes to must not meet the machine's."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        path.chmod(0o666)
        path.open("wb").close()
    except PermissionError:  # not root, who could not replace that one either
        path.unlink(missing_ok=True)
        path.symlink_to({3: "/dev/null", 7: "/dev/full"}[minor])


def json_alone(here: Path, done: Done) -> None:
    """Nothing but JSON is on stdout; the tables are on stderr."""
    assert json.loads(done.out)["tracks"] and "| track |" in done.err


def one_row(here: Path, done: Done) -> None:
    """Each table is a block of lines of one width of columns."""
    for block in done.out.strip().split("\n\n"):
        pipes = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(pipes) == 1, block


def same(here: Path, name: str, content: str) -> None:
    assert (here / name).read_text() == content


FAULTS = [
    Fault("nothing wrong", f"{SCORE} --json scores.json", code=0, make=arrange, after=scored),
    # the two folders
    Fault("no references", "score nowhere estimates", "nowhere is not a folder", make=arrange),
    Fault("references that are a file", "score song.wav estimates", "song.wav is not a folder", make=arrange),
    Fault(
        "an empty folder of estimates", "score references empty", "empty has no audio", make=then(lambda h: (h / "empty").mkdir())
    ),
    Fault("the same folder twice", "score references references", "are the same folder", make=arrange),
    Fault(
        "the same folder twice, once by a link",
        "score references link",
        "are the same folder",
        make=then(lambda h: (h / "link").symlink_to("references")),
    ),
    Fault(
        "estimates below the references",
        "score references references/estimates --taps 32 --workers 1 --json scores.json",
        code=0,
        make=then(lambda h: (h / "estimates").rename(h / "references" / "estimates")),
        after=scored,
        may_change=("estimates",),
    ),
    Fault(
        "a link that leads back to its folder",
        f"{SCORE} --json scores.json",
        code=0,
        make=then(lambda h: (h / "references" / "again").symlink_to(".")),
        after=scored,
    ),
    Fault(
        "a folder that may not be read",
        SCORE,
        "references/C - D may not be read",
        make=then(lambda h: (h / "references" / "C - D").mkdir(mode=0o000)),
    ),
    Fault(
        "a file that may not be read",
        SCORE,
        "vocals.wav",
        make=then(lambda h: (h / FOUND / "vocals.wav").chmod(0o000)),
        after=lambda h, done: (h / FOUND / "vocals.wav").chmod(0o600),
    ),
    Fault(
        "a track that was not estimated",
        SCORE,
        "estimates lacks C - D",
        make=lambda h: (arrange(h), put(h / "references/C - D/vocals.wav", sound())),
    ),
    Fault(
        "a stem that was not estimated",
        SCORE,
        "estimates lacks C - D/other",
        make=lambda h: (arrange(h), arrange(h, name="C - D"), (h / "estimates/C - D/other.wav").unlink()),
    ),
    Fault(
        "a track that was not estimated, allowed",
        f"{SCORE} --allow-missing",
        "left out: C - D",
        code=0,
        make=lambda h: (arrange(h), put(h / "references/C - D/vocals.wav", sound())),
    ),
    Fault(
        "an estimate without a reference",
        SCORE,
        "not in references, left out: A - B/guitar",
        code=0,
        make=then(lambda h: put(h / FOUND / "guitar.wav", sound())),
    ),
    Fault(
        "estimates of another layout",
        "score references estimates --allow-missing",
        "vocals instead",
        make=then(lambda h: (h / FOUND).rename(h / "estimates" / "vocals")),
    ),
    Fault(
        "estimates of mixtures only",
        "score references estimates --allow-missing",
        "mixtures only instead",
        make=then(
            lambda h: [
                (h / FOUND / f"{stem}.wav").rename(h / FOUND / name)
                for stem, name in (("vocals", "mixture.wav"), ("other", "linear_mixture.wav"))
            ]
        ),
    ),
    Fault(
        "two files of one stem",
        SCORE,
        "are the same stem",
        make=then(lambda h: soundfile.write(h / FOUND / "vocals.flac", sound(), RATE)),
    ),
    Fault(
        "a stem file of all stems",
        SCORE,
        "holds all stems in one file",
        make=then(lambda h: (h / FOUND / "song.stem.mp4").write_bytes(b"x")),
    ),
    Fault("hidden files of a Mac", SCORE, code=0, make=then(lambda h: (h / FOUND / "._vocals.wav").write_bytes(b"x"))),
    # their files
    Fault(
        "a pipe called vocals.wav",
        SCORE,
        "is a pipe or a link to nowhere",
        make=then(lambda h: ((h / FOUND / "vocals.wav").unlink(), os.mkfifo(h / FOUND / "vocals.wav"))),
    ),
    Fault(
        "a link to nowhere",
        SCORE,
        "is a pipe or a link to nowhere",
        make=then(lambda h: ((h / FOUND / "vocals.wav").unlink(), (h / FOUND / "vocals.wav").symlink_to("nowhere.wav"))),
    ),
    Fault(
        "words called vocals.wav",
        SCORE,
        "vocals.wav is not audio",
        make=then(lambda h: (h / FOUND / "vocals.wav").write_text("words")),
    ),
    Fault(
        "an estimate without samples",
        SCORE,
        "vocals.wav has 0 samples",
        make=then(lambda h: put(h / FOUND / "vocals.wav", sound(0))),
    ),
    Fault("a track without samples", SCORE, "is empty; remove the track", make=then(lambda h: all_four(h, sound(0)))),
    Fault(
        "a track of one sample",
        f"{SCORE} --json scores.json",
        "shorter than --taps",
        code=0,
        make=then(lambda h: all_four(h, sound(1 / RATE))),
        after=scored,
    ),
    Fault(
        "NaN in an estimate",
        SCORE,
        "has NaN or infinite samples",
        make=then(lambda h: put(h / FOUND / "vocals.wav", np.full((RATE, 1), np.nan, np.float32))),
    ),
    Fault(
        "samples of 1e30",
        f"{SCORE} --json scores.json",
        code=0,
        make=then(lambda h: put(h / FOUND / "vocals.wav", np.full((RATE, 1), 1e30, np.float32) * sound())),
        after=scored,
    ),
    Fault("an estimate of another rate", SCORE, "16000 Hz", make=then(lambda h: put(h / FOUND / "vocals.wav", sound(), 16_000))),
    Fault("an estimate in stereo", SCORE, "2 channel(s)", make=then(lambda h: put(h / FOUND / "vocals.wav", sound(channels=2)))),
    Fault(
        "an estimate that is a sample longer",
        SCORE,
        "8001 samples",
        make=then(lambda h: put(h / FOUND / "vocals.wav", sound(8001 / RATE))),
    ),
    Fault("an estimate whose second half is missing", SCORE, "vocals.wav", make=then(lambda h: cut(h / FOUND / "vocals.wav", 0.5))),
    Fault(
        "a silent reference",
        f"{SCORE} --json scores.json",
        "1 silent reference",
        code=0,
        make=then(lambda h: put(h / TRUE / "vocals.wav", sound() * 0)),
        after=scored,
    ),
    Fault(
        "a silent estimate",
        f"{SCORE} --json scores.json",
        "1 silent estimate",
        code=0,
        make=then(lambda h: put(h / FOUND / "vocals.wav", sound() * 0)),
        after=scored,
    ),
    Fault(
        "a silent estimate, scored as noise",
        f"{SCORE} --json scores.json --silent-estimates scored",
        code=0,
        make=then(lambda h: put(h / FOUND / "vocals.wav", sound() * 0)),
        after=scored,
    ),
    Fault(
        "everything silent, the mixture too",
        f"{SCORE} --json scores.json --mixture",
        "1 silent reference",
        code=0,
        make=then(lambda h: all_four(h, sound() * 0)),
        after=lambda h, d: scored(h, d, tracks=2),
    ),
    Fault(
        "everything silent, by museval",
        f"{SCORE} --json scores.json --engine museval",
        "1 silent reference",
        code=0,
        make=then(lambda h: all_four(h, sound() * 0)),
        after=scored,
    ),
    Fault(
        "a perfect estimate",
        f"{SCORE} --json scores.json",
        "inf",
        code=0,
        make=then(lambda h: shutil.copy(h / TRUE / "vocals.wav", h / FOUND / "vocals.wav")),
        after=scored,
    ),
    Fault(
        "the same reference twice",
        f"{SCORE} --json scores.json",
        code=0,
        make=then(lambda h: shutil.copy(h / TRUE / "vocals.wav", h / TRUE / "other.wav")),
        after=scored,
    ),
    # names
    Fault(
        "a track whose name is not Unicode",
        f"{SCORE} --json scores.json",
        code=0,
        make=renamed(b"Caf\xe9 \xff"),
        after=lambda h, d: (scored(h, d), one_row(h, d)),
    ),
    Fault(
        "a track whose name is not Unicode, on a terminal of ASCII",
        SCORE,
        code=0,
        make=renamed("日本 \u202e".encode() + b"\xff"),
        limits=Limits(encoding="ascii"),
    ),
    Fault("a track with a bar in its name", SCORE, code=0, make=renamed(b"A | B\\| C"), after=one_row),
    Fault(
        "a track with line ends in its name",
        SCORE,
        code=0,
        make=renamed(b"A\n\n| B \r\x1b[31m"),
        after=lambda h, d: (one_row(h, d), d.out.index("A"), _no_escape(d)),
    ),
    Fault(
        "a name with line ends in an error",
        SCORE,
        "lacks C D",
        make=lambda h: (arrange(h), put(h / "references/C\nD/vocals.wav", sound())),
    ),
    Fault(
        "a track in folders of 750 letters",
        f"{SCORE} --json scores.json",
        code=0,
        make=lambda h: arrange(h, name="/".join(["x" * 250] * 3)),
        after=scored,
    ),
    # the JSON
    Fault(
        "JSON to a link such as /dev/stdout is",
        f"{SCORE} --json stdout",
        code=0,
        make=then(lambda h: (h / "stdout").symlink_to("/proc/self/fd/1")),
        after=json_alone,
    ),
    Fault("JSON to a device", f"{SCORE} --json null", code=0, make=then(lambda h: device(h / "null", 3))),
    Fault("JSON to a device that is full", f"{SCORE} --json full", "full cannot grow", make=then(lambda h: device(h / "full", 7))),
    Fault(
        "JSON to a pipe that is read",
        f"{SCORE} --json pipe",
        code=0,
        make=a_reader,
        may_change=("read.json",),
        after=lambda h, d: (_soon(h / "read.json"), scored(h, d, "read.json")),
    ),
    Fault("JSON to a folder", f"{SCORE} --json models", "models is a folder; name a file", make=arrange),
    Fault(
        "JSON into a folder that may only be read",
        f"{SCORE} --json locked/scores.json",
        "locked/scores.json may not be",
        make=then(lambda h: (h / "locked").mkdir(mode=0o555)),
    ),
    Fault(
        "JSON into a folder that is not there",
        f"{SCORE} --json a/b/scores.json",
        code=0,
        make=arrange,
        after=lambda h, d: scored(h, d, "a/b/scores.json"),
    ),
    Fault(
        "JSON over scores from before",
        f"{SCORE} --json scores.json",
        code=0,
        make=then(lambda h: (h / "scores.json").write_text("{}")),
        may_change=("scores.json",),
        after=scored,
    ),
    Fault("JSON over a song", f"{SCORE} --json song.wav", "song.wav is there and holds no scores", make=arrange),
    Fault(
        "JSON over a file that may only be read",
        f"{SCORE} --json scores.json",
        "scores.json may not be",
        make=then(lambda h: ((h / "scores.json").write_text("{}"), (h / "scores.json").chmod(0o444))),
    ),
    Fault(
        "JSON over a file with permissions of its own",
        f"{SCORE} --json scores.json",
        code=0,
        make=then(lambda h: ((h / "scores.json").write_text("{}"), (h / "scores.json").chmod(0o640))),
        may_change=("scores.json",),
        after=lambda h, d: _mode(h / "scores.json", 0o640),
    ),
    Fault(
        "JSON to a link to a file",
        f"{SCORE} --json link.json",
        code=0,
        make=then(lambda h: ((h / "scores.json").write_text("{}"), (h / "link.json").symlink_to("scores.json"))),
        may_change=("scores.json",),
        after=scored,
    ),
    Fault("JSON with a name of 256 bytes", f"{SCORE} --json {'x' * 251}.json", "too long", make=arrange),
    Fault(
        "JSON on a full disk, scores from before there",
        f"{SCORE} --json scores.json",
        "scores.json cannot grow",
        make=then(lambda h: (h / "scores.json").write_text("{}")),
        limits=Limits(file_bytes=1000),
    ),
    # options
    Fault(
        "a window longer than the song",
        f"{SCORE} --window 1e9 --json scores.json",
        "shorter than --window",
        code=0,
        make=arrange,
        after=lambda h, d: (scored(h, d), _durations(h, 1.0)),
    ),
    Fault("a window that is no number", f"{SCORE} --window nan", "--window", code=2, make=arrange),
    Fault("an infinite window", f"{SCORE} --window inf", "finite", code=2, make=arrange),
    Fault("a window of 0.1 samples", f"{SCORE} --window 0.00001", "--window", code=2, make=arrange),
    Fault(
        "filters longer than the song",
        "score references estimates --taps 1000 --workers 1",
        "shorter than --taps",
        code=0,
        make=then(lambda h: all_four(h, sound(0.1)), 0.1),
    ),
    Fault("filters of 10**9 samples", "score references estimates --taps 1000000000 --workers 1", "filter taps need", make=arrange),
    Fault("a million workers", "score references estimates --taps 32 --workers 1000000", code=0, make=arrange),
    Fault("no workers", "score references estimates --workers 0", "--workers", code=2, make=arrange),
    Fault("an engine that is not there", f"{SCORE} --engine matlab", "--engine", code=2, make=arrange),
    # the machine
    Fault("too little memory", SCORE, "the memory is full", make=lambda h: arrange(h, 600.0), limits=Limits(memory=MEGABYTE)),
    Fault("stdout is closed", SCORE, "stdout is not open", make=arrange, limits=Limits(closed=(1,))),
    Fault("nothing is open", f"{SCORE} --json scores.json", code=1, make=arrange, limits=Limits(closed=(0, 1, 2)), after=scored),
    Fault("stdout is full", SCORE, "stdout cannot grow", make=arrange, limits=Limits(stdout="/dev/full")),
    Fault("nobody reads stdout", SCORE, "stdout is a pipe that nobody reads", make=arrange, limits=Limits(stdout="|")),
    Fault(
        "Ctrl-C",
        f"{SCORE} --window 0.01 --json scores.json",
        "unsung: stopped",
        code=130,
        make=lambda h: arrange(h, 120.0),
        limits=Limits(signal=(signal.SIGINT, ""), delay=1.0),
        absent=("scores.json",),
    ),
]


def _no_escape(done: Done) -> None:
    assert "\x1b" not in done.out, done.out


def _mode(path: Path, mode: int) -> None:
    assert path.stat().st_mode & 0o777 == mode, oct(path.stat().st_mode)


def _durations(here: Path, seconds: float) -> None:
    found = json.loads((here / "scores.json").read_text())
    assert found["tracks"][0]["targets"][0]["frames"][0]["duration"] == seconds


def _soon(path: Path) -> None:
    """Wait for another process that writes a file to its end."""
    import time

    for _ in range(100):
        if path.exists() and path.read_text().endswith("}\n"):
            return
        time.sleep(0.05)
