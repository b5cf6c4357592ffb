import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from tests.conftest import STEMS
from unsung import audio
from unsung.data.tracks import (
    Recording,
    Source,
    Track,
    mixture,
    read_index,
    read_recordings,
    read_table,
    write_index,
    write_splits,
)
from unsung.errors import UserError
from unsung.files import sha256


@pytest.fixture
def root(raw_tracks):
    return raw_tracks[0].stems["vocals"][0].path.parents[2]


def test_an_index_is_read_as_it_was_written(tmp_path, raw_tracks, root, params):
    path = raw_tracks[2].stems["bass"][0].path
    odd = Recording(
        "Odd", "test", {"vocals": (Source(path, channel=1), Source(path, channel=0)), "rest": (Source(path),), "no": ()}
    )
    write_index(tmp_path, [*raw_tracks, odd], root, params.compute)
    found = read_recordings(tmp_path, root)
    known = {source.known for recording in found for sources in recording.stems.values() for source in sources}
    assert known == {audio.Facts(16_000, 2, 64_000)}
    forgotten = [replace(r, stems={s: tuple(replace(x, known=None) for x in xs) for s, xs in r.stems.items()}) for r in found]
    assert forgotten == [*raw_tracks, odd]
    assert found[-1].stems["vocals"][0].facts() == audio.Facts(16_000, 1, 64_000)
    row = read_table(tmp_path).query("track == 'Song 1' and stem == 'bass'").iloc[0]
    assert (row["split"], row["frames"], row["sample_rate"], row["channels"]) == ("valid", 64_000, 16_000, 2)
    assert row["sha256"] == sha256(raw_tracks[1].stems["bass"][0].path)


def test_the_index_does_not_depend_on_where_the_data_lie(tmp_path, raw_tracks, root, params):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)

    def moved(sources: tuple[Source, ...]) -> tuple[Source, ...]:
        return tuple(Source(elsewhere / source.path.relative_to(root)) for source in sources)

    there = [replace(r, stems={stem: moved(sources) for stem, sources in r.stems.items()}) for r in raw_tracks]
    write_index(tmp_path / "a", raw_tracks, root, params.compute)
    write_index(tmp_path / "b", there, elsewhere, params.compute)
    assert sha256(tmp_path / "a" / "tracks.parquet") == sha256(tmp_path / "b" / "tracks.parquet")


def test_no_tracks_and_two_of_one_name_are_refused(tmp_path, raw_tracks, params):
    with pytest.raises(UserError, match="holds no tracks"):
        write_index(tmp_path, [], tmp_path, params.compute)
    with pytest.raises(UserError, match='called "Song 0"'):
        write_index(tmp_path, [raw_tracks[0], raw_tracks[0]], tmp_path, params.compute)


@pytest.mark.parametrize("name", ["a\udce9b", "a\x07b", "a\nb"])
def test_a_name_that_cannot_be_kept_is_one_line(tmp_path, raw_tracks, root, params, name):
    with pytest.raises(UserError, match=r"1 of 1 tracks cannot be used: 'a.*b' \(its name has letters"):
        write_index(tmp_path, [replace(raw_tracks[0], name=name)], root, params.compute)
    write_index(tmp_path, [replace(raw_tracks[0], name="宇多田\u3000ヒカル\u00a0🧑\u200d🎤")], root, params.compute)


def test_tracks_that_cannot_be_used_are_counted_and_named_or_left_out(tmp_path, raw_tracks, root, params, capsys):
    path = raw_tracks[0].stems["vocals"][0].path
    (root / "junk.wav").write_bytes(b"junk")
    bad = [
        Recording("A", "train", {}, fault="no vocals"),
        Recording.of_files("B", "train", {"vocals": root / "junk.wav", "bass": path}),
        Recording.of_files("C", "train", {"vocals": root / "gone.wav", "bass": path}),
        Recording("D", "train", {"vocals": (Source(path, channel=2),)}),
        replace(raw_tracks[0], name="x" * 300),
    ]
    with pytest.raises(UserError) as caught:
        write_index(tmp_path, [*bad, *raw_tracks], root, params.compute)
    for said in ("5 of 8 tracks cannot be used: A (no vocals), B (junk.wav is not audio", "C (gone.wav is missing)", "D (Song"):
        assert said.replace("Song", "vocals.wav has 2 channel") in str(caught.value)
    assert "(its name has more than 200 bytes); mend them, or set data.allow_missing to true" in str(caught.value)
    write_index(tmp_path, [*bad, *raw_tracks], root, params.compute, allow_missing=True)
    assert capsys.readouterr().err.count("5 of 8 tracks cannot be used: A (no vocals)") == 1
    write_index(tmp_path / "good", raw_tracks, root, params.compute)
    assert sha256(tmp_path / "tracks.parquet") == sha256(tmp_path / "good" / "tracks.parquet")
    with pytest.raises(UserError, match="5 of 5 tracks cannot be used"):
        write_index(tmp_path, bad, root, params.compute, allow_missing=True)
    (root / "junk.wav").unlink()


def test_many_faults_are_counted_and_the_first_are_named(tmp_path, params):
    many = [Recording(f"Song {i:02}", "train", {}, fault="no vocals") for i in range(30)]
    with pytest.raises(UserError, match=r"30 of 30 tracks .*Song 19 \(no vocals\) and 10 more; mend"):
        write_index(tmp_path, many, tmp_path, params.compute)


def test_a_damaged_index_or_stem_names_the_stage_to_run_again(tmp_path, stems_folder):
    folder = tmp_path / "raw"
    shutil.copytree(stems_folder / "train", folder)
    index = folder / "tracks.parquet"
    whole = index.read_bytes()
    index.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"tracks.parquet cannot be read .*; run dvc repro download, which writes it"):
        read_table(folder)
    index.write_bytes(whole)
    stem = next(folder.rglob("vocals.flac"))
    soundfile.write(stem, np.zeros((100, 1)), 8000)
    with pytest.raises(UserError, match=r"vocals.flac has 100 frames, not 32000; run dvc repro resample, which writes it"):
        read_index(folder)
    stem.unlink()
    with pytest.raises(UserError, match=r"vocals.flac is not a file; run dvc repro resample, which writes it"):
        read_index(folder)


def test_a_recording_that_changed_since_it_was_indexed_is_refused(tmp_path, raw_tracks, root, params):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(root, elsewhere)
    there = [Recording.of_files("A", "train", {"vocals": elsewhere / "train" / "Song 0" / "vocals.wav"})]
    write_index(tmp_path, there, elsewhere, params.compute)
    (source,) = read_recordings(tmp_path, elsewhere)[0].stems["vocals"]
    soundfile.write(source.path, np.zeros((8000, 2)), 16_000)
    with pytest.raises(UserError, match="has 0.5 s, it had 4.0 s when it was listed; run the stage download again"):
        list(source.blocks(1))


def test_a_split_without_tracks_is_refused(tmp_path, stems_folder, params):
    with pytest.raises(UserError, match="no train track"):
        write_splits(tmp_path, read_index(stems_folder / "valid"), params.compute)


def test_a_missing_index_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match="dvc repro"):
        read_index(tmp_path)


def test_the_mixture_is_the_given_one_or_the_sum(stems_folder, tmp_path):
    track = read_index(stems_folder / "test")[0]
    assert set(track.stems) == set(STEMS)
    total = np.concatenate(list(mixture(track)))
    np.testing.assert_allclose(total, sum(audio.read(path) for path in track.stems.values()), atol=1e-6)
    soundfile.write(tmp_path / "mixture.flac", total / 2, 8000, subtype="PCM_24")
    given = Track(track.name, track.split, {**track.stems, "mixture": tmp_path / "mixture.flac"})
    np.testing.assert_allclose(np.concatenate(list(mixture(given))), total / 2, atol=1e-6)
