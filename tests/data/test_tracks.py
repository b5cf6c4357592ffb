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


def test_a_name_that_is_not_unicode_is_one_line(tmp_path, raw_tracks, root, params):
    for name in ("a\udce9b", "a\x07b"):
        with pytest.raises(UserError, match="cannot be shown; rename it"):
            write_index(tmp_path, [replace(raw_tracks[0], name=name)], root, params.compute)


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
