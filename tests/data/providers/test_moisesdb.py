import json

import numpy as np
import pytest
import soundfile
import soxr

from tests.conftest import changed, song
from tests.data.providers import tracks_of
from unsung import audio
from unsung.data.providers import moisesdb, provide
from unsung.data.stems import prepare
from unsung.errors import UserError

RATE = 16_000


def write_song(root, number, bleed=False, without=()):
    """A song as MoisesDB has it: drums in two files, a stem twice, strings, short vocals."""
    folder = root / "moisesdb_v0.1" / f"{number:08x}-8ca3-4fb2-bd84-521aeeff56f4"
    stems = song(number, 3.0, RATE)
    stems["vocals"] = stems["vocals"][: -int(1.5 * RATE)]
    parts = [("vocals", "vocals"), ("bass", "bass"), ("drums", "drums"), ("drums", "drums"), ("bowed_strings", "other")]
    groups = []
    for place, (stem, sound) in enumerate(parts):
        if stem not in without:
            (folder / stem).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / stem / f"{place}.wav", stems[sound], RATE)
            track = {"id": str(place), "trackType": "x", "extension": "wav", "has_bleed": bleed if place == 3 else None}
            groups.append({"id": f"g{place}", "stemName": stem, "tracks": [track]})
    facts = {"song": f"Song/{number}", "artist": "Artist", "genre": "pop", "stems": groups}
    (folder / "data.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def root(tmp_path):
    for number in range(8):
        write_song(tmp_path, number, bleed=number == 7)
    return tmp_path


@pytest.fixture
def mine(params, root):
    return changed(params, data__provider="moisesdb", data__root=str(root))


def test_files_are_grouped_and_the_rest_is_other(root, mine):
    found, tracks = provide(root / "raw", mine)
    assert found == root and len(tracks) == 8
    assert {split: sum(t.split == split for t in tracks) > 0 for split in ("train", "valid", "test")} == dict.fromkeys(
        ("train", "valid", "test"), True
    )
    track = tracks[1]
    assert track.name == "Artist - Song_1 (00000001)"
    assert {stem: len(sources) for stem, sources in track.stems.items()} == {"vocals": 1, "bass": 1, "drums": 2, "other": 1}
    assert [source.path.parent.name for source in track.stems["other"]] == ["bowed_strings"]


def test_a_stem_that_ends_early_is_filled_up_here(root, mine, tmp_path):
    track, remarks = prepare(next(iter(tracks_of(moisesdb, root, mine))), tmp_path / "out", mine.audio)
    assert any("filled up with 1500.0 ms" in remark for remark in remarks)
    found = {stem: audio.read(path) for stem, path in track.stems.items()}
    assert {len(samples) for samples in found.values()} == {24_000}
    drums = soxr.resample(2 * song(0, 3.0, RATE)["drums"].mean(1), RATE, 8000, quality="HQ")  # two files are added up
    np.testing.assert_allclose(found["drums"][:, 0], drums, atol=4 / 2**15)


def test_a_song_without_a_stem_has_silence(root, mine, tmp_path):
    write_song(root, 99, without={"vocals"})
    song_without = next(track for track in tracks_of(moisesdb, root, mine) if "00000063" in track.name)
    track, _ = prepare(song_without, tmp_path / "out", mine.audio)
    assert not audio.read(track.stems["vocals"]).any() and audio.read(track.stems["bass"]).any()


def test_songs_that_bleed_can_be_left_out_and_a_limit_kept(root, mine):
    def number(**settings):
        some = changed(mine, **{f"providers__moisesdb__{key}": value for key, value in settings.items()})
        return len(provide(root / "raw", some)[1])

    assert (number(), number(bleed=False), number(limit=1)) == (8, 7, 3)


def test_any_stem_can_be_the_target(root, mine):
    strings = changed(mine, providers__moisesdb__stems=("bowed_strings",), model__targets=("bowed_strings",))
    track = next(iter(tracks_of(moisesdb, root, strings)))
    assert {stem: len(sources) for stem, sources in track.stems.items()} == {"bowed_strings": 1, "other": 4}
    with pytest.raises(UserError, match="model.targets has piano, which is not among providers.moisesdb.stems; add it there"):
        list(tracks_of(moisesdb, root, changed(mine, model__targets=("piano",))))


def test_a_stem_that_the_dataset_does_not_have_is_refused(mine):
    with pytest.raises(ValueError, match="Input should be 'vocals', 'bass'"):
        changed(mine, providers__moisesdb__stems=("vocal",))


def test_what_is_wrong_is_one_line(root, mine, tmp_path):
    folder = write_song(root, 5)
    (folder / "bass" / "1.wav").unlink()

    def faults():
        return [track.fault for track in tracks_of(moisesdb, root, mine) if track.fault]

    assert faults() == ["no 1.wav"]
    (folder / "data.json").write_text('{"song": "x"}')
    assert faults() == ["data.json is not as MoisesDB has it: KeyError"]
    (folder / "data.json").unlink()
    assert faults() == ["no data.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no song with a data.json"):
        list(tracks_of(moisesdb, tmp_path / "empty", mine))
