import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import changed
from unsung import formats, songs
from unsung.audio import FULL_SCALE
from unsung.errors import UserError
from unsung.formats import Encoding
from unsung.models.separator import Config, Separator
from unsung.places import Wanted
from unsung.progress import Lines, Terminal
from unsung.separation import Method
from unsung.songs import check, separate_songs


def noise(frames, channels=1, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


@pytest.fixture
def here(separator, tmp_path, monkeypatch):
    """A folder with a model, and a song of two seconds."""
    monkeypatch.chdir(tmp_path)
    separator.save(tmp_path / "model")
    soundfile.write("a.wav", noise(16_000, 2), 8000, subtype="PCM_24")
    return tmp_path


@pytest.fixture
def run(params, here):
    def go(*places, model="model", seed=0, report=lambda found: songs.Report(), **wanted):
        method = Method(Path(model), params.separate, seed)
        wanted.setdefault("out", Path("out"))
        return separate_songs([Path(place) for place in places], method, Wanted(**wanted), report)

    return go


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def read(path):
    return soundfile.read(path, dtype="float64", always_2d=True)[0]


def test_finished_songs_are_passed_over_and_changed_ones_are_not(run):
    def again(**more):
        return run("a.wav", **more)[0].again

    assert [again(), again(), again(seed=1), again(seed=1)] == [False, True, False, True]
    Path("out/a/vocals.flac").unlink()
    assert not again(seed=1)
    soundfile.write("a.wav", noise(9000, seed=2), 8000)
    assert not again(seed=1)


@pytest.mark.parametrize("form", ["flac", "wav", "mp3", "stem.mp4"])
def test_a_file_that_was_cut_or_changed_is_made_again(run, form):
    wanted = {"encoding": Encoding(form), "listen": True}
    files = run("a.wav", **wanted)[0].files
    assert run("a.wav", **wanted)[0].again
    for path in files.values():
        whole = path.read_bytes()
        place = len(whole) * 3 // 5
        changed_byte = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for broken in (changed_byte, *([whole[:place]] if path.suffix != ".mp4" else [])):  # whose facts are at its end
            path.write_bytes(broken)
            assert not run("a.wav", **wanted)[0].again
            assert path.read_bytes() == whole


def test_other_options_are_another_result(run):
    made = [{}, {"encoding": Encoding(bits=16)}, {"start": 0.5}, {"duration": 1.0}, {"duration": 1.5}]
    assert [run("a.wav", **wanted)[0].again for wanted in made for _ in range(2)] == [False, True] * len(made)
    assert run("a.wav", jobs=3, duration=1.5)[0].again


def test_a_folder_is_walked_and_its_tree_kept(run):
    for name in ("music/b.wav", "music/x/y/c.wav", "music/.hidden/d.wav", "music/.e.wav", "music/out/f/vocals.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(name, noise(3000), 8000)
    Path("music/x/words.txt").write_text("no song")
    outcomes = run("a.wav", "music", out=Path("music/out"))
    assert [str(outcome.song) for outcome in outcomes] == ["a.wav", "music/b.wav", "music/x/y/c.wav"]
    assert all(not outcome.error for outcome in outcomes)
    assert {str(path) for path in Path("music/out").rglob("vocals.flac")} == {
        "music/out/a/vocals.flac", "music/out/b/vocals.flac", "music/out/x/y/c/vocals.flac",
    }  # fmt: skip
    Path("none").mkdir()
    with pytest.raises(UserError, match="none has no songs in it"):
        run("none")


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_bad_song_does_not_stop_the_others(run, jobs, capsys):
    Path("bad.wav").write_text("no sound")
    soundfile.write("empty.wav", noise(0), 8000)
    soundfile.write("loud.wav", 32_768 * noise(9000), 8000, subtype="FLOAT")
    soundfile.write("b.wav", noise(9000), 8000)
    outcomes = run(
        "bad.wav", "gone.wav", "a.wav", "empty.wav", "loud.wav", "b.wav", jobs=jobs, report=lambda s: Terminal("model", s)
    )
    wrong = {str(outcome.song): outcome.error for outcome in outcomes if outcome.error}
    words = {"bad.wav": "not audio", "gone.wav": "not a file", "empty.wav": "empty", "loud.wav": "loud.wav: the song's peak is"}
    assert set(wrong) == set(words) and all(words[song] in error for song, error in wrong.items())
    assert names("out") == ["a", "b"]
    told = capsys.readouterr()
    assert sorted(told.err.splitlines()) == sorted(f"unsung: {error}" for error in wrong.values())
    assert {line.partition(":")[0] for line in told.out.splitlines()[1:]} == {"a.wav", "b.wav"}
    with pytest.raises(UserError, match="4 of 6 songs failed; see above"):
        check(outcomes)
    check(outcomes[2:3])
    with pytest.raises(UserError, match="not audio"):
        check(outcomes[:1])


def test_jobs_change_no_byte(run):
    Path("more").mkdir()
    for number in range(5):
        soundfile.write(f"more/{number}.wav", noise(8000 * (number + 1), 2, number), 16_000)
    for jobs in (1, 4):
        check(run("more", out=Path(f"out{jobs}"), jobs=jobs))
    made = [{path.name + path.parent.name: path.read_bytes() for path in Path(f"out{jobs}").rglob("*.flac")} for jobs in (1, 4)]
    assert len(made[0]) == 10 and made[0] == made[1]


def test_two_songs_of_one_name_are_refused_and_others_are_not(run):
    for name in ("x/a.wav", "c.wav"):
        Path(name).parent.mkdir(exist_ok=True)
        soundfile.write(name, noise(3000), 8000)
    outcomes = run("a.wav", "x/a.wav", "c.wav")
    assert ["two songs are called a" in outcome.error for outcome in outcomes] == [True, True, False]
    assert names("out") == ["c"]


def test_what_another_model_found_is_taken_away_and_other_files_are_not(run, params):
    for name, targets in (("two", ["vocals", "drums"]), ("one", ["vocals"])):
        Separator(Config.of(changed(params, model__targets=targets), covers_song=False)).save(Path(name))
    for name in ("two", "one"):
        check(run("a.wav", model=name))
        soundfile.write("out/a/mine.flac", noise(10), 8000)
    assert {path.stem for path in Path("out/a").iterdir()} == {"vocals", "accompaniment", "mine"}


@pytest.mark.parametrize(("form", "bits"), [("flac", None), ("flac", 16), ("wav", None), ("wav", 16), ("wav-float", None)])
def test_lossless_parts_add_up_to_the_song(run, form, bits):
    encoding = Encoding(form, bits)
    files = run("a.wav", encoding=encoding)[0].files
    song = np.rint(read("a.wav") * 2 ** ((bits or 24) - 1)) / 2 ** ((bits or 24) - 1)
    np.testing.assert_array_equal(sum(read(path) for path in files.values()), song)
    assert soundfile.info(files["vocals"]).subtype == ("FLOAT" if form == "wav-float" else f"PCM_{bits or 24}")


def test_floats_hold_a_song_beyond_full_scale(run):
    soundfile.write("loud.wav", 6 * noise(9000), 8000, subtype="FLOAT")
    files = run("loud.wav", encoding=Encoding("wav-float"))[0].files
    song = np.rint(read("loud.wav") * FULL_SCALE) / FULL_SCALE
    assert np.abs(song).max() > 2
    np.testing.assert_array_equal(sum(read(path) for path in files.values()), song)


@pytest.mark.parametrize("form", ["mp3", "ogg", "opus", "m4a", "stem.mp4"])
@pytest.mark.parametrize("rate", [8000, 44_100])
def test_other_parts_are_in_time_and_nearly_add_up(run, form, rate):
    rng = np.random.default_rng(0)
    smooth = np.convolve(rng.standard_normal(2 * rate), np.hanning(rate // 500), "same")
    soundfile.write("b.wav", 0.3 * smooth[:, None].repeat(2, 1) / np.abs(smooth).max(), rate)
    files = run("b.wav", encoding=Encoding(form))[0].files
    pieces = [read_any(path, stream) for path in files.values() for stream in ((1, 2) if form == "stem.mp4" else (0,))]
    song, own = read("b.wav"), pieces[0][1]
    assert own == (48_000 if form == "opus" and rate == 44_100 else rate)
    both = sum(piece for piece, _ in pieces)
    if own == rate:
        lost = both[: len(song)] - song[: len(both)]
        assert len(both) >= len(song) and 10 * np.log10(np.square(song).sum() / np.square(lost).sum()) > 12


def read_any(path, stream):
    from unsung import audio

    return np.concatenate(list(audio.blocks(path, stream=stream))), audio.facts(path, stream).sample_rate


def test_one_file_of_all_stems_is_what_dj_software_reads(run):
    files = run("a.wav", encoding=Encoding("stem.mp4"))[0].files
    assert {name: str(path) for name, path in files.items()} == {"mixture": "out/a.stem.mp4"}
    content = files["mixture"].read_bytes()
    box = content[content.index(b"stem{") + 4 :]
    about = json.JSONDecoder().raw_decode(box.decode("latin-1"))[0]
    assert about["version"] == 1 and [stem["name"] for stem in about["stems"]] == ["vocals", "accompaniment", "", ""]
    levels = [float(np.abs(read_any(files["mixture"], stream)[0]).max()) for stream in range(5)]
    assert min(levels[:3]) > 0.01 and max(levels[3:]) < 1e-3
    with pytest.raises(UserError, match="has 5 streams, not 6"):
        read_any(files["mixture"], 5)


def test_stems_can_be_chosen(run):
    assert list(run("a.wav", stems=("vocals",))[0].files) == ["vocals"]
    assert names("out/a") == ["vocals.flac"]
    with pytest.raises(UserError, match="the model has no stem drums; it has vocals, accompaniment"):
        run("a.wav", stems=("drums",))


def test_a_part_of_a_song(run):
    check(run("a.wav", out=Path("whole")))
    check(run("a.wav", start=0.5, duration=0.75))
    parts = [read(f"out/a/{part}.flac") for part in ("vocals", "accompaniment")]
    np.testing.assert_array_equal(sum(parts), read("a.wav")[4000:10_000])
    assert len(read("whole/a/vocals.flac")) == 16_000
    assert "a.wav has 2.0 s, and --start is 2; begin earlier" in run("a.wav", start=2.0)[0].error


def test_names_are_templates(run):
    soundfile.write("b.wav", noise(3000), 8000)
    for _ in range(2):
        outcomes = run("a.wav", "b.wav", name="{stem}/{song} ({stem})")
        check(outcomes)
    assert all(outcome.again for outcome in outcomes)
    found = {str(path) for path in Path("out").rglob("*.*")}
    assert found == {f"out/{stem}/{song} ({stem}).flac" for song in "ab" for stem in ("vocals", "accompaniment")}
    Path("out/vocals/b (vocals).flac").write_text("mine")
    error = run("b.wav", name="{stem}/{song} ({stem})")[0].error
    assert "b (vocals).flac is there and was not written for b.wav" in error
    assert Path("out/vocals/b (vocals).flac").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("{song}", "flac", r"has no \{stem\}"),
        ("{stem}", "flac", r"has no \{song\}"),
        ("{song}/{stem}/{model}", "flac", r"has \{model\}"),
        ("../{song}/{stem}", "flac", "not the name of a file below --out"),
        ("/{song}/{stem}", "flac", "not the name of a file below --out"),
        ("{song}/{stem}/", "flac", "not the name of a file below --out"),
        ("{song}{", "flac", "is not a template"),
        ("{song}/{stem}", "stem.mp4", "has all stems in one file"),
    ],
)
def test_names_that_cannot_be(name, form, words):
    with pytest.raises(UserError, match=words):
        Wanted(Path("out"), Encoding(form), name=name)


@pytest.mark.parametrize(
    ("form", "more", "words"), [("mp3", {"bits": 16}, "no choice of bits"), ("flac", {"bits": 32}, "16 or 24")]
)
def test_bits_that_a_format_does_not_have(form, more, words):
    with pytest.raises(UserError, match=words):
        Encoding(form, **more)
    with pytest.raises(UserError, match="loses nothing"):
        Encoding("wav", bitrate=128)


def test_a_page_to_listen_to(run):
    page = run("a.wav", listen=True)[0].files["listen"]
    text = page.read_text()
    assert str(page) == "out/a/listen.html" and text.count("data:audio/mpeg;base64,") == 3
    assert all(title in text for title in ("mixture", "vocals", "accompaniment")) and formats.is_whole(page)
    assert names("out/a") == ["accompaniment.flac", "listen.html", "vocals.flac"]


def test_programs_are_told_in_json(run, capsys):
    Path("bad.wav").write_text("no sound")
    run("a.wav", "bad.wav", report=lambda found: Lines("tiny", found))
    first, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first == {"model": "tiny", "device": "cpu", "jobs": 1, "songs": 2}
    files = {part: f"out/a/{part}.flac" for part in ("vocals", "accompaniment")}
    assert lines[0] == {"song": "a.wav", "of": 2.0, "again": False, "files": files}
    assert lines[1]["song"] == "bad.wav" and "not audio" in lines[1]["error"]


def test_programs_are_told_how_long_it_takes(capsys, monkeypatch):
    clock = iter([0.0, 0.5, 1.5, 1.6, 3.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    lines = Lines("tiny", [Path("a.wav")])
    for seconds in (0.0, 2.0, 4.0, 5.0, 8.0):
        lines.move(Path("a.wav"), seconds, 8.0)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [{"song": "a.wav", "seconds": 4.0, "of": 8.0, "eta": 1.5}]


def test_ctrl_c_says_how_many_are_finished(run, monkeypatch):
    for name in "bcd":
        soundfile.write(f"{name}.wav", noise(3000), 8000)

    class Impatient(songs.Report):
        def move(self, song, seconds, of):
            if song.name == "c.wav":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped; 2 of 4 songs are finished, the same command goes on"):
        run("a.wav", "b.wav", "c.wav", "d.wav", report=lambda found: Impatient())
    assert names("out") == ["a", "b"]


def test_a_song_that_changes_meanwhile_is_told(run):
    class Meddler(songs.Report):
        def move(self, song, seconds, of):
            os.utime(song, (1, 1))

    assert "was changed while it was separated" in run("a.wav", report=lambda found: Meddler())[0].error
    assert not Path("out/a").exists()
