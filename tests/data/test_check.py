"""`unsung check`: planted faults are all found, sound datasets stay silent."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from typer.testing import CliRunner

from tests.conftest import ROOT, STEMS, workers
from tests.data.providers import write_pool
from tests.data.stem_files import write_stem_file
from unsung.cli import app
from unsung.config.params import load_params
from unsung.data.check import SETTINGS, Limits, check, clipped, residual_limit
from unsung.data.providers import demo
from unsung.data.tracks import SPLITS

RATE = 8000
SECONDS = 5.0
FIVE = ("mixture", *STEMS)


def tune(seed: int, seconds: float = SECONDS, channels: int = 1, rate: int = RATE) -> dict[str, np.ndarray]:
    """Four stems of their own (sample, channel), made of notes and hits that no other song has."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    stems = {}
    for stem, (low, high) in {"bass": (50, 120), "other": (200, 900), "vocals": (150, 500)}.items():
        notes = rng.uniform(low, high, (3, len(t) // 800 + 1)).repeat(800, axis=1)[:, : len(t)]
        sounds = (rng.random(notes.shape[1] // 800 + 1) < 0.8).repeat(800)[: len(t)]
        partials = [
            np.sin(2 * np.pi * np.cumsum(k * notes[0]) / rate) * a for k, a in enumerate(rng.random(6), 1) if k * high < rate / 2
        ]
        stems[stem] = sum(partials) * np.convolve(sounds * rng.uniform(0.3, 1, len(sounds)).round(1), np.hanning(80) / 40, "same")
    hits = (rng.random(len(t)) < 8 / rate) * rng.uniform(0.5, 3, len(t))
    stems["drums"] = np.convolve(hits, rng.standard_normal(1500) * np.exp(-np.arange(1500) / 200))[: len(t)]
    gains = rng.uniform(0.5, 1, channels)
    return {name: (0.08 * stems[name][:, None] * gains).astype(np.float32) for name in STEMS}


def write(folder: Path, stems: dict[str, np.ndarray], rate: int = RATE, kind: str = "flac", mixture: bool = True) -> Path:
    """The stems of a song, rounded to 16 bits, and their sum."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {stem: np.round(samples * 2**15) / 2**15 for stem, samples in stems.items()}
    for stem, samples in ({"mixture": sum(whole.values())} if mixture else {} | whole).items():
        soundfile.write(folder / f"{stem}.{kind}", samples, rate)
    for stem, samples in whole.items():
        soundfile.write(folder / f"{stem}.{kind}", samples, rate)
    return folder


def split_of(number: int) -> str:
    return "test" if number % 10 == 0 else "valid" if number % 10 == 1 else "train"


def songs(root: Path, count: int) -> Path:
    """Sound tracks of all splits."""
    for number in range(count):
        write(root / split_of(number) / f"{number:03}", tune(number))
    return root


@pytest.fixture(scope="module")
def dozen(tmp_path_factory):
    """A dozen sound tracks; tests copy them before they change them."""
    return songs(tmp_path_factory.mktemp("dozen"), 12)


def found(root: Path, provider: str = "folder", limits: Limits = Limits(), **more: object) -> list[tuple[str, str, str]]:  # noqa: B008
    """Track, stem and kind of each fault."""
    checked = check(root, provider, (), workers(1), limits, **more)
    return [(fault.track, fault.stem, fault.kind) for fault in checked.faults]


def samples_of(path: Path) -> np.ndarray:
    return soundfile.read(path, always_2d=True)[0]


def plant(root: Path) -> set[tuple[str, str, str]]:
    """Twelve faults in twelve of a hundred tracks."""
    at = {number: root / split_of(number) / f"{number:03}" for number in range(100)}

    def put(number: int, stem: str, samples: np.ndarray, rate: int = RATE) -> None:
        soundfile.write(at[number] / f"{stem}.flac", samples, rate)

    (at[2] / "vocals.flac").unlink()
    put(12, "bass", samples_of(at[12] / "bass.flac")[:-4000])
    put(13, "drums", soxr.resample(samples_of(at[13] / "drums.flac"), RATE, 16_000), 16_000)
    broken = samples_of(at[24] / "other.flac")
    broken[20_000] = np.nan
    (at[24] / "other.flac").unlink()
    soundfile.write(at[24] / "other.wav", broken, RATE, subtype="FLOAT")
    put(35, "vocals", np.zeros((round(SECONDS * RATE), 1)))
    loud = samples_of(at[46] / "vocals.flac")
    put(46, "vocals", np.clip(2 * loud / np.abs(loud).max(), -1, 1))
    put(57, "mixture", samples_of(at[57] / "mixture.flac") - samples_of(at[57] / "drums.flac"))
    shutil.rmtree(at[68])
    write(at[68], tune(3))  # of train
    for path in at[61].glob("*.flac"):  # of valid: a train song as Ogg, softer, and later
        path.unlink()
    for stem in FIVE:
        late = np.concatenate([np.zeros((1234, 1)), 0.6 * samples_of(at[14] / f"{stem}.flac")])
        soundfile.write(at[61] / f"{stem}.ogg", late, RATE)
    shutil.copy(at[79] / "bass.flac", at[79] / "other.flac")
    shutil.copy(at[83] / "mixture.flac", at[83] / "vocals.flac")
    content = (at[90] / "drums.flac").read_bytes()
    (at[90] / "drums.flac").write_bytes(content[: len(content) // 2])
    return {
        ("002", "", "refused"),
        ("012", "bass", "length"),
        ("013", "drums", "rate"),
        ("024", "other", "unreadable"),
        ("035", "vocals", "silent"),
        ("046", "vocals", "clipped"),
        ("057", "", "residual"),
        ("068", "", "duplicate"),
        ("061", "", "duplicate"),
        ("079", "other", "equal"),
        ("083", "vocals", "equal"),
        ("090", "drums", "unreadable"),
    }


def test_twelve_planted_faults_in_a_hundred_tracks_are_all_found_and_none_is_invented(tmp_path):
    faults = plant(songs(tmp_path, 100))
    assert len(faults) == 12 and sorted(found(tmp_path)) == sorted(faults)


def test_a_sound_dataset_has_no_faults(dozen):
    checked = check(dozen, "", (), workers(1), Limits())
    assert not checked.faults and checked.provider == "folder"
    assert checked.summary()[0] == f"12 tracks, {12 * SECONDS / 3600:.2f} hours, no faults"
    assert max(checked.residuals.values()) < -60


def musdb18hq(root: Path) -> None:
    names = {"train": ("A", "B", "ANiMAL - Rockshow"), "test": ("T",)}
    for number, song in enumerate(f"{part}/{name}" for part in names for name in names[part]):
        write(root / song, tune(number, channels=2), kind="wav")


def musdb18(root: Path) -> None:
    """AAC, and a mixture that was mastered."""
    for number, name in enumerate(("train/A", "train/ANiMAL - Rockshow", "test/T")):
        stems = tune(number, 1.5, channels=2, rate=44_100)
        mixture = np.tanh(3 * sum(stems.values())) / 3
        write_stem_file(root / f"{name}.stem.mp4", {**stems, "mixture": mixture})


def moisesdb(root: Path) -> None:
    for number in range(4):
        song, stems = root / "v0.1" / f"{number:08x}-song", tune(number)
        groups = []
        for stem, sound in (("vocals", "vocals"), ("bass", "bass"), ("piano", "other"), ("wind", "drums")):
            (song / stem).mkdir(parents=True)
            soundfile.write(song / stem / "1.wav", stems[sound][: -2000 if stem == "bass" else None], RATE)
            groups.append({"stemName": stem, "tracks": [{"id": "1", "extension": "wav", "has_bleed": False}]})
        (song / "data.json").write_text(json.dumps({"song": f"S{number}", "artist": "X", "stems": groups}))


def slakh2100(root: Path) -> None:
    for number, split in enumerate(("train", "train", "validation", "test")):
        track, stems = root / split / f"Track{number:05}", tune(number)
        facts = {"audio_rendered": True, "is_drum": False}
        sources = {"S00": {**facts, "inst_class": "Bass"}, "S01": {**facts, "inst_class": "Piano"}}
        sources["S02"] = {"audio_rendered": False, "inst_class": "Organ", "is_drum": False}
        write(track / "stems", {"S00": stems["bass"], "S01": stems["other"]}, mixture=False)
        soundfile.write(track / "mix.flac", stems["bass"] + stems["other"], RATE)
        (track / "metadata.yaml").write_text(json.dumps({"stems": sources}))


def mir1k(root: Path) -> None:
    for number, name in enumerate(("abjones_1_01", "abjones_5_01", "amy_9_01", "Ani_1_01")):
        stems = tune(number)
        (root / "Wavfile").mkdir(parents=True, exist_ok=True)
        soundfile.write(root / "Wavfile" / f"{name}.wav", np.hstack([stems["other"], stems["vocals"]]), RATE)


def pools(root: Path) -> None:
    kinds = {"voices": "vocals", "bands": "accompaniment", "songs": "songs", "valid": "songs", "test": "songs"}
    for number, (name, kind) in enumerate(kinds.items()):
        write_pool(root / name, kind, name if name in ("valid", "test") else "train")
        stems = tune(number)
        for path in (root / name).glob("*.flac"):
            soundfile.write(path, stems["vocals" if "vocals" in (kind, path.stem.rpartition(".")[2]) else "other"], RATE)


SOUND = {f.__name__: f for f in (musdb18hq, musdb18, moisesdb, slakh2100, mir1k, pools)}


@pytest.mark.parametrize("provider", SOUND)
def test_a_sound_dataset_of_each_kind_has_no_faults(provider, tmp_path):
    SOUND[provider](tmp_path)
    assert found(tmp_path, provider) == []


def test_the_songs_of_the_demo_have_no_faults(tmp_path, params):
    settings = demo.Settings(train=2, valid=1, test=1, seconds=5.0)
    demo.compose(tmp_path, settings, 0, params.compute)
    for recording in demo.tracks(tmp_path, settings, ("vocals",)):
        folder = recording.stems["vocals"][0].path.parent
        shutil.move(folder, tmp_path / recording.split / folder.name) if recording.split == "valid" else None
    assert found(tmp_path) == []


def test_every_provider_that_reads_a_folder_has_settings_as_in_params_yaml():
    providers = load_params(ROOT / "params.yaml").providers
    own = {name: getattr(providers, name).model_dump() for name in type(providers).model_fields}
    assert {name: settings for name, settings in own.items() if name not in ("demo", "mix")} == SETTINGS


def pair(seed: int, **more: int) -> dict[str, np.ndarray]:
    """Vocals and accompaniment."""
    stems = tune(seed, **more)
    return {"vocals": stems["vocals"], "accompaniment": stems["other"] + stems["drums"]}


@pytest.fixture
def three(tmp_path):
    """A track of two stems for each split."""
    for number, split in enumerate(SPLITS):
        write(tmp_path / "songs" / split / f"{split} song", pair(number), mixture=False)
    return tmp_path / "songs"


@pytest.mark.parametrize(
    ("kind", "rate", "gain", "late", "options"),
    [
        ("wav", 16_000, 1.0, 0.0, {}),
        ("mp3", 16_000, 0.5, 0.777, {"bitrate_mode": "CONSTANT", "compression_level": 0.8}),
        ("ogg", 16_000, -0.3, -0.4567, {}),
        ("wav", 48_000, 0.9, 0.1234, {}),
    ],
)
def test_a_recording_in_two_splits_is_found_whatever_its_form(three, kind, rate, gain, late, options):
    for split, number in (("train", 7), ("test", 7)):
        folder = write(three / split / f"{split} again", pair(number, seconds=12, rate=16_000), 16_000, mixture=False)
    for path in list(folder.iterdir()):
        samples = np.concatenate([np.zeros((max(0, round(late * 16_000)), 1)), samples_of(path)])[max(0, -round(late * 16_000)) :]
        path.unlink()
        soundfile.write(path.with_suffix(f".{kind}"), gain * soxr.resample(samples, 16_000, rate), rate, **options)
    assert found(three) == [("test again", "", "duplicate")]


def test_a_stem_of_another_song_is_found_across_splits_and_a_shared_band_within_one_is_not(three):
    train = three / "train" / "train song"
    vocals = pair(9)["vocals"]
    write(
        three / "train" / "with its band",
        {"vocals": vocals, "accompaniment": 0.8 * samples_of(train / "accompaniment.flac")},
        mixture=False,
    )
    assert found(three) == []
    (three / "test" / "test song" / "vocals.flac").unlink()
    soundfile.write(three / "test" / "test song" / "vocals.wav", 0.7 * samples_of(train / "vocals.flac"), RATE, "PCM_24")
    assert found(three) == [("test song", "vocals", "duplicate")]
    shutil.copy(train / "vocals.flac", three / "train" / "with its band")  # the very samples are no coincidence
    assert ("with its band", "", "duplicate") in found(three)


def test_tracks_of_one_name_are_named(tmp_path):
    for number, place in enumerate(("train/train", "valid/valid", "test/test", "train/A/B", "test/A - B")):
        write(tmp_path / place, pair(number), mixture=False)
    assert [(track, kind) for track, _, kind in found(tmp_path)] == [("A - B", "dataset")]


def test_a_dataset_without_a_split_is_told_unless_it_is_a_part_of_a_mix(three, params, tmp_path, monkeypatch):
    shutil.rmtree(three / "valid")
    checked = check(three, "", (), workers(1), Limits())
    assert [(fault.split, fault.fault) for fault in checked.faults] == [("valid", "there is no valid track")]
    assert checked.summary() == ["2 tracks, 0.00 hours, 1 fault"]
    values = params.model_dump(mode="json")
    values["data"] |= {"provider": "mix", "root": "data/parts", "parts": {"folder": str(three)}}
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    monkeypatch.chdir(tmp_path)
    assert found(three, "") == []


def test_provider_settings_and_targets_are_those_of_params_yaml(three, params, tmp_path, monkeypatch):
    values = params.model_dump(mode="json")
    values["data"] |= {"provider": "folder"}
    values["model"] |= {"targets": ["drums"]}
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    monkeypatch.chdir(tmp_path)
    checked = check(three, "", (), workers(1), Limits())
    assert {fault.fault for fault in checked.faults} == {"no drums, only accompaniment, vocals"}
    assert not check(three, "", ("vocals",), workers(1), Limits()).faults


def test_a_silent_stem_is_a_fault_unless_the_song_has_none(three):
    quiet = np.full((round(SECONDS * RATE), 1), 1e-4)
    for number, split in enumerate(SPLITS):
        shutil.rmtree(three / split)
        write(three / split / split, {**tune(number), "drums": quiet * (number == 0) + tune(number)["drums"] * (number > 0)})
    assert found(three) == []  # the mixture adds up without drums
    (three / "train" / "train" / "mixture.flac").unlink()
    assert found(three) == [("train", "drums", "silent")]
    assert found(three, limits=Limits(may_be_silent=("drums",))) == []
    soundfile.write(three / "test" / "test" / "vocals.flac", quiet, RATE)
    assert ("test", "vocals", "silent") in found(three, limits=Limits(may_be_silent=("drums",)))


def test_excerpts_may_rest(tmp_path):
    musdb18(tmp_path)
    stems = tune(0, 1.5, channels=2, rate=44_100)
    write_stem_file(tmp_path / "train/A.stem.mp4", {**stems, "vocals": 0 * stems["vocals"], "mixture": sum(stems.values())})
    assert ("A", "vocals", "silent") in found(tmp_path, "musdb18")
    assert not [kind for _, _, kind in found(tmp_path, "musdb18_7s") if kind == "silent"]


def test_a_song_for_the_voice_alone_is_its_mixture_and_no_fault(tmp_path):
    for number, split in enumerate(SPLITS):
        stems = tune(number)
        rest = {stem: 0.003 * samples for stem, samples in stems.items() if stem != "vocals"}
        write(tmp_path / split / split, {**stems, **(rest if split == "train" else {})})
    assert found(tmp_path) == []


def test_other_channel_counts_are_a_fault(three):
    path = three / "train" / "train song" / "vocals.flac"
    soundfile.write(path, np.repeat(samples_of(path), 2, axis=1), RATE)
    checked = check(three, "", (), workers(1), Limits())
    assert [fault.fault for fault in checked.faults] in (
        [f"{stem}.flac has {one}, the others have {other}"]
        for stem, one, other in (("vocals", "2 channels", 1), ("accompaniment", "1 channel", 2))
    )


def test_the_limit_of_mixture_minus_stems_is_lower_where_nearly_all_add_up():
    assert residual_limit([-90.0] * 95 + [-15.0] * 5) == -20
    assert residual_limit([-90.0] * 60 + [-15.0] * 40) == residual_limit([-15.0] * 100) == -10


def test_a_mixture_at_another_level_says_so(tmp_path):
    for number, split in enumerate(SPLITS):
        folder = write(tmp_path / split / split, tune(number))
        soundfile.write(folder / "mixture.flac", 2 * samples_of(folder / "mixture.flac"), RATE)
    checked = check(tmp_path, "", (), workers(1), Limits())
    assert {fault.kind for fault in checked.faults} == {"residual"} and len(checked.faults) == 3
    assert checked.faults[0].what_to_do == "the mixture is +6.0 dB against its stems; export them at one level"
    assert not check(tmp_path, "", (), workers(1), Limits(residual=-5.0)).faults


def test_clipped_samples_are_those_in_runs_at_full_scale():
    block = np.zeros((100, 2), np.float32)
    block[10:14, 0], block[20:22, 0], block[30:33, 0] = 1, 1, 1.5  # a run, two samples, beyond full scale
    block[50:53, 1], block[60:63, 1] = -1, [1, -1, 1]
    assert clipped(block).tolist() == [4, 3] and clipped(block[10:12]).tolist() == [0, 0]


def test_a_few_clipped_samples_are_no_fault(three):
    path = three / "train" / "train song" / "vocals.flac"
    samples = samples_of(path)
    samples[1000:1030] = 1.0
    soundfile.write(path, samples, RATE)
    assert found(three) == []
    assert found(three, limits=Limits(clipped=0.05)) == [("train song", "vocals", "clipped")]


def spoil(what: str, folder: Path) -> None:
    """What can be wrong with the vocals of a track."""
    path = folder / "vocals.flac"
    content = path.read_bytes()
    path.unlink()
    if what == "a link to nothing":
        path.symlink_to("nowhere")
    elif what == "a folder":
        path.mkdir()
    elif what == "not audio":
        path.write_bytes(b"junk" * 1000)
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "without samples":
        soundfile.write(path, np.zeros((0, 1)), RATE)
    elif what == "two files in one":
        path.write_bytes(content * 2)
    elif what == "a playlist":
        path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n")
    elif what == "Ogg that was cut between two pages":
        soundfile.write(folder / "vocals.ogg", tune(3)["vocals"], RATE)
        whole = (folder / "vocals.ogg").read_bytes()
        (folder / "vocals.ogg").write_bytes(whole[: whole.rindex(b"OggS")])


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("gone", "only accompaniment.flac"),
        ("a folder", "only accompaniment.flac"),
        ("a link to nothing", "vocals.flac is a link to what is not there"),
        ("not audio", "vocals.flac is not audio that can be read"),
        ("empty", "vocals.flac is empty"),
        ("without samples", "vocals.flac"),
        ("two files in one", "vocals.flac is two files, one behind the other"),
        ("a playlist", "vocals.flac is"),
        ("Ogg that was cut between two pages", "vocals.ogg has no end-of-stream flag, it may be cut short"),
    ],
)
def test_a_file_that_a_run_refuses_is_one_row_that_names_it(three, what, says):
    spoil(what, three / "train" / "train song")
    checked = check(three, "", (), workers(1), Limits())
    rows = [fault for fault in checked.faults if fault.kind != "length" or "flag" in fault.fault]
    assert [fault.track for fault in rows] == ["train song"] and says in rows[0].fault and rows[0].what_to_do
    assert len(checked.faults) == 1 or "Ogg" in what


def unsung(*words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_shows_a_table_and_exits_with_1_where_there_are_faults(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = unsung("check", three, "--workers", 1)
    assert code == 0 and out == "3 tracks, 0.00 hours, no faults\n" and "unsung:" not in err
    soundfile.write(three / "test" / "test song" / "vocals.flac", np.zeros((round(SECONDS * RATE), 1)), RATE)
    code, out, err = unsung("check", three, "--workers", 1, "--json", "found.json")
    assert code == 1 and err.endswith(f"unsung: {three} has 1 fault(s); mend them, or remove these tracks\n")
    assert "| track | split | stem | fault | what to do |" in out
    assert "| test song | test | vocals | silent throughout | export it again, or remove the track |" in out
    values = json.loads((tmp_path / "found.json").read_text())
    assert values["tracks"] == 3 and [fault["kind"] for fault in values["faults"]] == ["silent"]
    assert unsung("check", three, "--workers", 1, "--may-be-silent", "vocals")[0] == 0
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = unsung("check", three, "--json", "mine.txt")
    assert code == 1 and "mine.txt is there and is not JSON" in err and (tmp_path / "mine.txt").read_text() == "mine"


def test_odd_names_and_pipes_are_shown(three, tmp_path):
    (three / "train" / "train song").rename(three / "train" / os.fsdecode(b"a\xff\nb|c"))
    (three / "test" / "test song" / "vocals.flac").unlink()
    os.mkfifo(three / "test" / "test song" / "vocals.flac")
    code, out, _ = unsung("check", three, "--workers", 1, "--json", tmp_path / "found.json")
    assert code == 1 and "| a\ufffd b\\|c | train |  | its name has letters that are not Unicode's" in out
    assert "| test song | test | vocals | vocals.flac is a pipe, not a file | give a file |" in out
    assert json.loads((tmp_path / "found.json").read_text())["faults"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere is not a folder; give the folder of your tracks"),
        (["empty"], "empty holds no folder with stems"),
        (["empty", "--provider", "napster"], "there is no provider napster to check; choose folder, musdb18hq"),
        (["empty", "--provider", "demo"], "there is no provider demo to check"),
        (["empty", "--provider", "slakh2100"], "empty has no folder train"),
        (["empty", "--provider", "mir1k"], "empty holds no clip"),
    ],
)
def test_what_cannot_be_checked_is_one_line(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = unsung("check", *words)
    assert code == 1 and not out and err.startswith("unsung: ") and says in err and err.count("\n") == 1
