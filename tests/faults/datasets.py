"""Faults of datasets, params.yaml, and what lies between the stages."""

import json
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from ruamel.yaml import YAML

from tests.conftest import ROOT, small_params
from tests.data.stem_files import write_stem_file
from tests.faults.fault import Done, Fault
from tests.faults.runner import Limits, Runner
from unsung.config.params import load_params

Make = Callable[[Path], object]
RATE = 8000
STEMS = ("mixture", "drums", "bass", "other", "vocals")
TWO = ("vocals", "accompaniment")
ALL_OF = {"may_change": ("data/*", "data/**/*"), "absent": ("data/raw/tracks.parquet",)}


def tone(path: Path, seconds: float = 1.0, rate: int = RATE, channels: int = 1) -> Path:
    """A file of sound, always the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.01 * np.random.default_rng(len(path.name)).standard_normal((round(seconds * rate), channels))
    soundfile.write(path, samples, rate)
    return path


@cache
def small() -> str:
    """params.yaml of a small project, as JSON."""
    return json.dumps(small_params(load_params(ROOT / "params.yaml")).model_dump(mode="json"))


def project(here: Path, provider: str = "folder", allow: bool = False, **more: object) -> None:
    """params.yaml and dvc.yaml of a small project whose recordings are in tunes/."""
    values = json.loads(small())
    values["data"] |= {"provider": provider, "root": "tunes", "allow_missing": allow}
    for key, value in more.items():
        *sections, last = key.split("__")
        place = values
        for section in sections:
            place = place[section]
        place[last] = value
    (here / "params.yaml").write_text(json.dumps(values, indent=1))  # which is YAML, too
    shutil.copy(ROOT / "dvc.yaml", here)


def folder(here: Path) -> Path:
    """Five tracks of the user's own."""
    for split, names in {"train": ("A", "B", "C"), "valid": ("V",), "test": ("T",)}.items():
        for name in names:
            for stem in TWO:
                tone(here / "tunes" / split / name / f"{stem}.wav")
    return here / "tunes"


def musdb18hq(here: Path) -> Path:
    for part, names in {"train": ("A", "ANiMAL - Rockshow"), "test": ("T",)}.items():
        for name in names:
            for stem in STEMS:
                tone(here / "tunes" / part / name / f"{stem}.wav")
    return here / "tunes"


def musdb18(here: Path) -> Path:
    stems = {stem: 0.01 * np.random.default_rng(0).standard_normal((4096, 2)) for stem in STEMS}
    first = write_stem_file(here / "tunes/train/A.stem.mp4", stems)
    for name in ("train/ANiMAL - Rockshow", "test/T"):
        (here / "tunes" / name).parent.mkdir(exist_ok=True)
        shutil.copy(first, here / "tunes" / f"{name}.stem.mp4")
    return here / "tunes"


def moisesdb(here: Path) -> Path:
    for number in range(4):
        song = here / "tunes/v0.1" / f"{number:08x}-song"
        groups = []
        for stem in ("vocals", "bass", "piano"):
            tone(song / stem / f"{stem}1.wav")
            groups.append({"stemName": stem, "tracks": [{"id": f"{stem}1", "extension": "wav", "has_bleed": False}]})
        (song / "data.json").write_text(json.dumps({"song": f"S{number}", "artist": "X", "stems": groups}))
    return here / "tunes"


def slakh2100(here: Path) -> Path:
    for number, split in enumerate(("train", "train", "validation", "test")):
        track = here / "tunes" / split / f"Track{number:05}"
        facts = {"audio_rendered": True, "is_drum": False}
        stems = {"S00": {**facts, "inst_class": "Bass"}, "S01": {**facts, "inst_class": "Piano"}}
        stems["S02"] = {"audio_rendered": False, "inst_class": "Organ", "is_drum": False}
        for name in ("mix", "stems/S00", "stems/S01"):
            tone(track / f"{name}.flac")
        YAML(typ="safe").dump({"stems": stems}, track / "metadata.yaml")
    return here / "tunes"


def mir1k(here: Path) -> Path:
    for name in ("abjones_1_01", "abjones_5_01", "amy_9_01", "Ani_1_01"):
        tone(here / "tunes/MIR-1K/Wavfile" / f"{name}.wav", channels=2)
    return here / "tunes"


def pools(here: Path) -> Path:
    """A pool of each kind, and songs to validate and to test."""
    kinds = {"voices": "vocals", "bands": "accompaniment", "songs": "songs", "valid": "songs", "test": "songs"}
    for name, kind in kinds.items():
        for ending in ("a.vocals", "a.accompaniment") if kind == "songs" else ("a", "b"):
            tone(here / "tunes" / name / f"{ending}.wav")
        split = name if name in ("valid", "test") else "train"
        (here / "tunes" / name / "pool.yaml").write_text(f"{{kind: {kind}, licence: MIT, credit: Me, split: {split}}}\n")
    return here / "tunes"


LAYOUTS = {f.__name__: f for f in (folder, musdb18hq, musdb18, moisesdb, slakh2100, mir1k, pools)}
TARGETS = {"slakh2100": ["bass"]}


def dataset(provider: str, change: Callable[[Path], object], allow: bool = False) -> Make:
    """A project with a dataset in which something was changed."""

    def make(here: Path) -> None:
        project(here, provider, allow, model__targets=TARGETS.get(provider, ["vocals"]))
        change(LAYOUTS[provider](here))

    return make


def bad(provider: str, what: str, says: str, change: Callable[[Path], object], **more: object) -> Fault:
    """A row in which the index must not be written."""
    options = {**ALL_OF, **more}
    return Fault(f"{provider}: {what}", "stage download", says, make=dataset(provider, change), **options)  # type: ignore[arg-type]


def fine(provider: str, what: str, change: Callable[[Path], object], count: int, allow: bool = False, says: str = "") -> Fault:
    """A row that is no fault: the index has so many tracks."""
    check = indexed(count)
    return Fault(f"{provider}: {what}", "stage download", says, 0, dataset(provider, change, allow), ("data/*",), after=check)


def indexed(count: int) -> Callable[[Path, Done], None]:
    """The index has so many tracks; what was left out is said once."""

    def check(here: Path, done: Done) -> None:
        import pandas as pd

        assert pd.read_parquet(here / "data/raw/tracks.parquet")["track"].nunique() == count
        assert done.err.count("cannot be used") <= 1

    return check


def gone(name: str) -> Make:
    return lambda root: (root / name).unlink()


def cut(name: str, share: float) -> Make:
    return lambda root: os.truncate(root / name, int(share * (root / name).stat().st_size))


def put(name: str, data: bytes | str) -> Make:
    def make(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)

    return make


def sound(name: str, **how: float) -> Make:
    return lambda root: tone(root / name, **how)  # type: ignore[arg-type]


def closed(name: str) -> Make:
    return lambda root: (root / name).chmod(0)


def link(name: str, target: str) -> Make:
    return lambda root: (root / name).symlink_to(target)


def moved_away(name: str) -> Make:
    """A folder elsewhere, and a link to it in its place."""

    def make(root: Path) -> None:
        (root / name).rename(root.parent / "elsewhere")
        (root / name).symlink_to(root.parent / "elsewhere")

    return make


def renamed(name: str | bytes) -> Make:
    return lambda root: (root / "train/A").rename(root / "train" / os.fsdecode(name))


def fifo(name: str) -> Make:
    def make(root: Path) -> None:
        (root / name).unlink()
        os.mkfifo(root / name)

    return make


def both(*changes: Make) -> Make:
    def make(root: Path) -> None:
        for change in changes:
            change(root)

    return make


def stray(root: Path) -> None:
    """What systems and people leave behind."""
    for part in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._vocals.wav", "notes.txt"):
            (part / name).write_bytes(b"x")
    (root / ".trash").mkdir()
    tone(root / ".trash/vocals.wav")


def four_streams(name: str) -> Make:
    def make(root: Path) -> None:
        import av

        path = root / name
        with av.open(str(path), "w", format="mp4") as container:
            streams = [container.add_stream("aac", rate=44_100, layout="stereo") for _ in range(4)]
            for stream in streams:
                frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
                frame.sample_rate, frame.pts = 44_100, 0
                for packet in [*stream.encode(frame), *stream.encode(None)]:
                    container.mux(packet)

    return make


ALLOW = "mend them, or set data.allow_missing to true"
DATASETS = [
    bad("folder", "a track with one stem only",
        f"1 of 5 tracks cannot be used: A (only accompaniment.wav); {ALLOW}",
        gone("train/A/vocals.wav")),
    bad("folder", "all stems of another kind of file", "A (accompaniment.ape is of a kind that is not read)",
        both(gone("train/A/vocals.wav"), gone("train/A/accompaniment.wav"), put("train/A/accompaniment.ape", b"x"))),
    bad("folder", "a stem that is not audio", "A (vocals.wav is not audio", put("train/A/vocals.wav", b"junk" * 99)),
    bad("folder", "a stem without samples", "A (vocals.wav is empty)", sound("train/A/vocals.wav", seconds=0)),
    bad("folder", "a stem that may not be read", "A (vocals.wav", closed("train/A/vocals.wav")),
    bad("folder", "a stem that is a FIFO", "A (vocals.wav is not a file)", fifo("train/A/vocals.wav")),
    bad("folder", "a stem that is a link to nothing", "A (vocals.wav is missing)",
        both(gone("train/A/vocals.wav"), link("train/A/vocals.wav", "nowhere"))),
    bad("folder", "a stem at another sample rate", "Hz, the others have", sound("train/A/vocals.wav", rate=16_000)),
    bad("folder", "a stem that ends early", "A (vocals.wav ends 1.50 s before the others)",
        both(sound("train/A/vocals.wav", seconds=0.5), sound("train/A/accompaniment.wav", seconds=2))),
    bad("folder", "a stem there twice", "A (two files for the stem vocals)", sound("train/A/vocals.flac")),
    bad("folder", "accompaniment and what it contains", "A (accompaniment and drums", sound("train/A/drums.wav")),
    bad("folder", "a track that has a stem which others lack", "T (no drums)", lambda root: [
        (tone(root / name / "drums.wav"), (root / name / "accompaniment.wav").rename(root / name / "other.wav"))
        for name in ("train/A", "train/B", "train/C", "valid/V", "test/T")] and (root / "test/T/drums.wav").unlink()),
    bad("folder", "a track folder that is a link to nothing", "D (it is a link to nothing)", link("train/D", "nowhere")),
    bad("folder", "a track folder that may not be read", "A (its folder cannot be read: Permission denied)", closed("train/A"),
        may_change=("data/*", "tunes/train/A/*")),
    bad("folder", "a split that may not be entered", "train (its folder cannot be read: Permission denied)",
        lambda root: (root / "train").chmod(0o400),
        may_change=("data/*", "tunes/train/*", "tunes/train/*/*")),
    bad("folder", "a track outside train, valid and test", "X (it lies outside train, valid and test",
        both(sound("X/vocals.wav"), sound("X/accompaniment.wav"))),
    bad("folder", "three tracks broken in three ways", "3 of 5 tracks cannot be used: T (only vocals.wav), A (vocals.wav",
        both(put("train/A/vocals.wav", b"x"), gone("train/B/vocals.wav"), gone("test/T/accompaniment.wav"))),
    bad("folder", "a name with an escape sequence", "(its name has letters", renamed("\x1b[31m")),
    bad("folder", "a name that is not UTF-8", "(its name has letters", renamed(b"caf\xe9")),
    bad("folder", "a name of 250 bytes", "(its name has more than", renamed("x" * 250)),
    bad("folder", "a stem's name that is not UTF-8", "which most tracks do not have", lambda root:
        (root / "train/A/accompaniment.wav").rename(root / "train/A/\udce9.wav")),
    bad("folder", "two tracks of one name", 'two tracks below', lambda root: shutil.copytree(root / "train/A", root / "valid/A")),
    bad("musdb18hq", "a song without a stem", f"1 of 3 tracks cannot be used: A (no bass.wav); {ALLOW}",
        gone("train/A/bass.wav")),
    bad("musdb18hq", "no folder test", "has no folder test", lambda root: shutil.rmtree(root / "test")),
    bad("musdb18", "a stem file of four streams", "A (A.stem.mp4 has 4 streams, not 5)", four_streams("train/A.stem.mp4")),
    bad("musdb18", "a stem file that is not audio", "A (A.stem.mp4 is not audio", put("train/A.stem.mp4", b"x" * 99)),
    bad("musdb18", "a stem file cut in the middle", "A (A.stem.mp4", cut("train/A.stem.mp4", 0.5)),
    bad("musdb18", "half a download", "D.stem.mp4.part (its name does not end in .stem.mp4)", put("train/D.stem.mp4.part", b"x")),
    bad("moisesdb", "a song without data.json", "00000001-song (no data.json)", gone("v0.1/00000001-song/data.json")),
    bad("moisesdb", "a data.json that is not JSON", "00000001-song (data.json is not as MoisesDB has it",
        put("v0.1/00000001-song/data.json", b"{")),
    bad("moisesdb", "a data.json of another kind", "00000001-song (data.json is not as",
        put("v0.1/00000001-song/data.json", b"[1]")),
    bad("moisesdb", "a file that data.json names is missing", "X - S1 (00000001) (no bass1.wav)",
        gone("v0.1/00000001-song/bass/bass1.wav")),
    bad("moisesdb", "a name with a newline and a slash", "its name has letters",
        put("v0.1/00000001-song/data.json", json.dumps({"song": "../\n", "artist": "X", "stems": []}))),
    bad("slakh2100", "a track without metadata", "Track00000 (no metadata.yaml)", gone("train/Track00000/metadata.yaml")),
    bad("slakh2100", "metadata that are not YAML", "Track00000 (metadata.yaml is not as Slakh2100 has it",
        put("train/Track00000/metadata.yaml", "stems: [")),
    bad("slakh2100", "a rendered stem is missing", "Track00000 (no S01.flac)", gone("train/Track00000/stems/S01.flac")),
    bad("mir1k", "a clip of one channel", "abjones_1_01 (abjones_1_01.wav has 1 channel, not 2)",
        sound("MIR-1K/Wavfile/abjones_1_01.wav", channels=1)),
    bad("mir1k", "a clip that is not audio", "abjones_1_01 (abjones_1_01.wav is not audio",
        put("MIR-1K/Wavfile/abjones_1_01.wav", b"x")),
    bad("mir1k", "a folder that may not be read", "Wavfile (its folder cannot be read", closed("MIR-1K/Wavfile"),
        may_change=("data/*", "tunes/MIR-1K/Wavfile/*")),
    bad("pools", "a pool without pool.yaml", "voices has no pool.yaml; write one with kind, licence and credit",
        gone("voices/pool.yaml")),
    bad("pools", "a pool.yaml that is not YAML", "pool.yaml is not YAML", put("voices/pool.yaml", b"kind: [")),
    bad("pools", "an unknown kind", "pool.yaml is 'voice': Input should be 'vocals', 'accompaniment' or 'songs'",
        put("voices/pool.yaml", "{kind: voice, licence: MIT, credit: Me}")),
    bad("pools", "no licence", "pool.yaml is missing; add it", put("voices/pool.yaml", "{kind: vocals, credit: Me}")),
    bad("pools", "a credit of two lines", "it must be a line of words",
        put("voices/pool.yaml", '{kind: vocals, licence: MIT, credit: "a\\nb"}')),
    bad("pools", "a key that is none", "share in", put("voices/pool.yaml", "{kind: vocals, licence: MIT, credit: Me, share: 2}")),
    bad("pools", "voices to validate on", "and only songs can validate or test",
        put("voices/pool.yaml", "{kind: vocals, licence: MIT, credit: Me, split: valid}")),
    bad("pools", "a song without its accompaniment", f"1 of 7 tracks cannot be used: songs/a (no a.accompaniment); {ALLOW}",
        gone("songs/a.accompaniment.wav")),
    bad("pools", "a song's file of another name", "songs/b (its name does not end in .vocals or .accompaniment)",
        sound("songs/b.wav")),
    bad("pools", "two voices of one name", 'are called "voices/a"; rename one', sound("voices/a.flac")),
    bad("pools", "a pool without audio", "voices holds no audio file", both(gone("voices/a.wav"), gone("voices/b.wav"))),
    bad("pools", "no pool at all", "holds no pool, which is a folder of audio files with a pool.yaml", lambda root: [
        shutil.rmtree(path) for path in root.iterdir()]),
    fine("pools", "nothing wrong", lambda root: None, 7),
    fine("pools", "a broken song is left out where that is allowed", gone("songs/a.vocals.wav"), 6, True, "left out"),
    fine("pools", "a pool that is a link", moved_away("voices"), 7),
    fine("folder", "a broken track is left out where that is allowed", gone("train/A/vocals.wav"), 4, True,
         "1 of 5 tracks cannot be used: A (only accompaniment.wav); they are left out"),
    fine("moisesdb", "a broken song is left out where that is allowed",
         gone("v0.1/00000001-song/data.json"), 3, True, "they are left out"),
    *(fine(name, "stray and hidden files", stray, count) for name, count in {"folder": 5, "moisesdb": 4, "pools": 7}.items()),
    fine("folder", "a track folder that is a link", moved_away("train/A"), 5),
    fine("folder", "two links to one track", both(moved_away("train/A"), link("train/again", "../../elsewhere")), 5),
    fine("folder", "a loop of links", link("train/loop", ".."), 5),
    fine("moisesdb", "a song that is a link", moved_away("v0.1/00000001-song"), 4),
    fine("folder", "a name that begins with a dash", renamed("-rf $(x)"), 5),
    fine("folder", "a name with wide spaces and joined emoji", renamed("宇多田\u3000ヒカル\u00a0🧑\u200d🎤"), 5),
    fine("folder", "a name of dots", renamed("...a"), 4),
    fine("folder", "nothing wrong", lambda root: None, 5),
]  # fmt: skip


def root(value: str, make: Make = lambda here: None) -> Make:
    """A project with another data.root."""

    def arrange(here: Path) -> None:
        project(here, data__root=value)
        make(here)

    return arrange


ROOTS: list[tuple[str, str, str, Make]] = [
    ("is missing", "nowhere", "data.root is nowhere, which is not a folder", lambda here: None),
    ("is empty", "tunes", "tunes holds no folder with stems", lambda here: (here / "tunes").mkdir()),
    ("is /", "/", "data.root is /, which holds the project itself", lambda here: None),
    ("is the project", ".", "which holds the project itself", lambda here: None),
    ("is nothing", "", "which holds the project itself", lambda here: None),
    ("may not be read", "tunes", "tunes", lambda here: (here / "tunes").mkdir(mode=0)),
    ("is the home of nobody", "~nobody-of-this-name/x", "nobody has this home", lambda here: None),
    ("has NUL in it", "a\0b", "which is not a folder", lambda here: None),
    ("holds two tracks", "tunes", "has 2 track(s), at least 3 are needed", lambda here: [
        tone(here / "tunes" / name / f"{stem}.wav") for name in "AB" for stem in TWO]),
]  # fmt: skip


def edited(old: str, new: str) -> Make:
    """params.yaml of the project itself with one thing changed."""

    def make(here: Path) -> None:
        text = (ROOT / "params.yaml").read_text()
        assert old in text
        (here / "params.yaml").write_text(text.replace(old, new, 1))

    return make


def params(data: bytes | str) -> Make:
    return put("params.yaml", data)


PARAMS: list[tuple[str, str, Make]] = [
    ("is missing", "params.yaml is not here", lambda here: None),
    ("is empty", "params.yaml is empty", params("")),
    ("is a list", "params.yaml has no keys and values", params("- 1\n")),
    ("is not YAML", "params.yaml is not YAML", params("a: [")),
    ("is not UTF-8", "params.yaml is not YAML", params(b"a: caf\xe9\n")),
    ("has a date that is none", "params.yaml is not YAML", params("a: 2020-13-45\n")),
    ("has a number of 9999 digits", "params.yaml", params("seed: " + "9" * 9999 + "\n")),
    ("has 500 brackets", "nested too deeply", params("[" * 500)),
    ("wants to run a program", "params.yaml is not YAML", params('!!python/object/apply:os.mkdir ["unpickled"]\n')),
    ("grows a thousandfold", "params.yaml", params("a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 8)}]\n" for i in range(9)))),
    ("is a folder", "params.yaml is a folder, not a file", lambda here: (here / "params.yaml").mkdir()),
    ("may not be read", "params.yaml", both(params("seed: 0\n"), closed("params.yaml"))),
    ("has a key twice", "params.yaml is not YAML", edited("seed: 0", "seed: 0\nseed: 1")),
    ("has an unknown key", "sead in params.yaml is not a parameter", edited("seed: 0", "seed: 0\nsead: 1")),
    ("lacks a key", "seed in params.yaml is missing; add it", edited("seed: 0", "# seed")),
    ("has a section that is empty", "audio in params.yaml is None", edited("audio:\n", "audio: null\nold:\n")),
    ("has words for a number", "seed in params.yaml is 'zero'", edited("seed: 0 ", "seed: zero ")),
    ("has NaN for a number", "train.learning_rate in params.yaml is nan",
     edited("learning_rate: 3.0e-3", "learning_rate: .nan")),
    ("has an unknown provider", "data.provider in params.yaml is 'napster'", edited("provider: demo", "provider: napster")),
    ("has a mix without parts", "data in params.yaml has provider mix and no parts; give some",
     edited("provider: demo", "provider: mix")),
    ("has parts without a mix", "data in params.yaml has parts, which only provider mix has",
     edited("parts: {}", "parts: {demo: songs}")),
    ("has a share below 0", "data.shares.demo in params.yaml is -1.0", edited("shares: {}", "shares: {demo: -1.0}")),
    ("has a target that is a path", "model.targets.0 in params.yaml is '../../x': a name has", edited("[vocals]", "[../../x]")),
    ("has a sample rate of 0", "audio.sample_rate in params.yaml is 0", edited("sample_rate: 22050", "sample_rate: 0")),
    ("has six channels", "audio.channels in params.yaml is 6", edited("channels: 1 ", "channels: 6 ")),
    ("has windows of 10^9 samples", "stft.n_fft in params.yaml is 1000000000", edited("n_fft: 1024", "n_fft: 1000000000")),
]  # fmt: skip


PREPARED: dict[str, Path] = {}


def prepare(there: Path, runner: Runner) -> None:
    """Make the project that `prepared` copies: its stages ran as far as the shards."""
    project(there)
    folder(there)
    for name in ("download", "resample", "shard"):
        done = runner.run(["stage", name], there, Limits(), 60)
        assert not done.code, done.err
    PREPARED["project"] = there


def prepared(change: Make) -> Make:
    """A project whose stages ran as far as the shards."""

    def make(here: Path) -> None:
        shutil.copytree(PREPARED["project"], here, dirs_exist_ok=True)
        change(here)

    return make


INDEX, TRAIN, SHARD = "data/raw/tracks.parquet", "data/stems/train/tracks.parquet", "data/shards/00000-000.parquet"
STEM, MANIFEST, SONG = "data/stems/train/A/vocals.flac", "data/shards/manifest.json", "tunes/train/A/vocals.wav"
DOWNLOAD, RESAMPLE, SHARDS = "run dvc repro download", "run dvc repro resample", "run dvc repro shard"


def parquet(name: str) -> Make:
    """A table of something else."""

    def make(here: Path) -> None:
        import pandas as pd

        pd.DataFrame({"a": [1]}).to_parquet(here / name)

    return make


def infinite(here: Path) -> None:
    samples = np.zeros((RATE, 1), np.float32)
    samples[5] = np.nan
    soundfile.write(here / SONG, samples, RATE, subtype="FLOAT")


BETWEEN: list[tuple[str, str, str, Make]] = [
    ("the index is missing", "resample", DOWNLOAD, gone(INDEX)),
    ("the index is cut", "resample", DOWNLOAD, cut(INDEX, 0.5)),
    ("the index is another table", "resample", DOWNLOAD, parquet(INDEX)),
    ("a recording is gone", "resample", "1 of 5 tracks cannot be used: A", gone(SONG)),
    ("a recording was cut", "resample", "1 of 5 tracks cannot be used: A", cut(SONG, 0.5)),
    ("a recording was replaced by a shorter one", "resample", "has 0.5 s, it had 1.0 s when", sound(SONG, seconds=0.5)),
    ("a recording has NaN", "resample", "1 of 5 tracks cannot be used: A", infinite),
    ("a recording may not be read", "resample", "1 of 5 tracks cannot be used: A", closed(SONG)),
    ("the folder of recordings is gone", "resample", "which is not a folder", lambda here: shutil.rmtree(here / "tunes")),
    ("the index of a split is missing", "shard", RESAMPLE, gone(TRAIN)),
    ("a stem is gone", "shard", RESAMPLE, gone(STEM)),
    ("a stem was cut", "shard", RESAMPLE, cut(STEM, 0.5)),
    ("a stem is gone", "evaluate", RESAMPLE, gone("data/stems/test/T/vocals.flac")),
    ("the index of the test tracks is cut", "evaluate", RESAMPLE, cut("data/stems/test/tracks.parquet", 0.5)),
    ("the manifest is missing", "train", SHARDS, gone(MANIFEST)),
    ("the manifest is cut", "train", SHARDS, cut(MANIFEST, 0.5)),
    ("the manifest is of another kind", "train", SHARDS, put(MANIFEST, b'{"a": 1}')),
    ("a shard is gone", "train", SHARDS, gone(SHARD)),
    ("a shard is cut", "train", SHARDS, cut(SHARD, 0.5)),
    ("a shard lost its last byte", "train", SHARDS, cut(SHARD, 0.99999)),
    ("a shard is another table", "train", SHARDS, parquet(SHARD)),
    ("a valid stem is gone", "train", RESAMPLE, gone("data/stems/valid/V/vocals.flac")),
]  # fmt: skip


def mixed(change: Make, **data: object) -> Make:
    """A project whose params want a mix of the demo and pools."""

    def make(here: Path) -> None:
        project(here)
        values = json.loads((here / "params.yaml").read_text())
        own = {"provider": "mix", "root": "data/parts", "parts": {"demo": "songs", "pools": "tunes"}}
        (here / "params.yaml").write_text(json.dumps({**values, "data": {**values["data"], **own, **data}}))
        pools(here)
        change(here)

    return make


def nothing(here: Path) -> None:
    """Leaves all as it is."""


def shared(**shares: float) -> Make:
    """The prepared project with shares, and the code that training fingerprints."""

    def change(here: Path) -> None:
        project(here, data__shares=shares)
        for name in ("src", "stages"):
            (here / name).symlink_to(ROOT / name)

    return prepared(change)


MIXES: list[tuple[str, str, str, Make]] = [
    ("a part was not prepared", "download", "data/parts/demo/tracks.parquet is not here; run dvc repro part@demo", mixed(nothing)),
    ("a part is none", "download", "data in params.yaml has napster among its parts", mixed(nothing, parts={"napster": "x"})),
    ("a mix is mixed", "download", "data in params.yaml has mix among its parts", mixed(nothing, parts={"mix": "x"})),
    ("the root of a mix is another", "download", "the root of a mix is data/parts", mixed(nothing, root="tunes")),
    ("a share is of no track", "train", "data.shares has voices, and no train track lies there; remove it", shared(voices=2.0)),
    ("all shares are 0", "train", "no train track that is drawn from has all of", shared(A=0.0, B=0.0, C=0.0)),
    ("the credits are missing", "train", "run dvc repro download", prepared(gone("data/raw/credits.csv"))),
    ("the credits are another table", "train", "is not a table of credits", prepared(put("data/raw/credits.csv", "a\n1\n"))),
]  # fmt: skip

FAULTS = [
    *DATASETS,
    *(Fault(f"mix: {what}", f"stage {stage}", says, make=make, may_change=("data/*", "data/**/*", "tunes/**/*"))
      for what, stage, says, make in MIXES),
    *(Fault(f"data.root {what}", "stage download", says, make=root(value, make), absent=("data/raw/tracks.parquet",),
            may_change=("data/*", "tunes/*")) for what, value, says, make in ROOTS),
    *(Fault(f"params.yaml {what}", "stage download", says, make=make, absent=("data", "unpickled")) for what, says, make in PARAMS),
    *(Fault(f"before {stage}: {what}", f"stage {stage}", says, make=prepared(make), may_change=("data/*", "data/**/*"))
      for what, stage, says, make in BETWEEN),
]  # fmt: skip
