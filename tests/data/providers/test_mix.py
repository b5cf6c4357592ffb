import numpy as np
import pytest
import soundfile

from stages import download, resample
from tests.conftest import changed, song, write_song
from unsung import audio
from unsung.data.credits import CREDITS, read_credits
from unsung.data.tracks import read_index, read_recordings, read_table
from unsung.errors import UserError

RATE = 8000


@pytest.fixture
def mixed(tmp_path, params, monkeypatch):
    """The params of a mix of the demo, a folder and pools, in a project of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for split, name in (("train", "A"), ("valid", "V"), ("test", "T")):
        four = song(0, 1.0, RATE)
        stems = {"vocals": four["vocals"], "drums": four["drums"], "mixture": sum(four.values())}
        write_song(tmp_path / "mine" / split / name, stems, RATE)
    pool = tmp_path / "pools" / "voices"
    pool.mkdir(parents=True)
    soundfile.write(pool / "a.wav", song(1, 1.0, RATE)["vocals"], RATE)
    (pool / "pool.yaml").write_text("{kind: vocals, licence: MIT, credit: A singer}")
    values = {"data__parts": {"demo": "songs", "folder": "mine", "pools": "pools"}, "data__root": "data/parts"}
    small = {"train": 1, "valid": 1, "test": 1, "seconds": 4.0}
    found = changed(params, providers__demo=small, data={**params.data.model_dump(), "provider": "mix", **{
        key.removeprefix("data__"): value for key, value in values.items()}})  # fmt: skip
    for stage in (download, resample):
        monkeypatch.setattr(stage, "load_params", lambda: found)
    return found


@pytest.fixture
def run(mixed, tmp_path):
    for part in mixed.data.parts:
        download.main(part)
    download.main()
    return tmp_path / "data"


def test_tracks_of_all_parts_have_the_targets_and_an_accompaniment(run, mixed):
    table = read_table(run / "raw")
    stems = {track: set(some["stem"]) for track, some in table.groupby("track")}
    demo = [track for track in stems if track.startswith("demo/")]
    assert len(demo) == 3 and all(stems[track] == {"vocals", "accompaniment", "mixture"} for track in demo)
    assert len(table.query("track == @demo[0] and stem == 'accompaniment'")) == 3
    assert stems["pools/voices/a"] == {"vocals"} and stems["folder/A"] == {"vocals", "mixture"}
    credits = [(credit.data, credit.licence) for credit in read_credits(run / "raw" / CREDITS)]
    assert credits == [("Demo songs", "CC0-1.0"), ("Your own recordings", "yours"), ("voices", "MIT")]


def test_each_part_is_found_where_its_root_is(run, tmp_path):
    resample.main()
    tracks = {track.name: track for split in ("train", "valid", "test") for track in read_index(run / "stems" / split)}
    assert len(tracks) == 7 and {track.split for track in tracks.values() if track.name.startswith("folder")} == {
        "train", "valid", "test"}  # fmt: skip
    four, mine = song(0, 1.0, RATE), tracks["folder/A"]
    rest = sum(stem for name, stem in four.items() if name != "vocals").mean(1)
    np.testing.assert_allclose(audio.read(mine.stems["accompaniment"])[:, 0], rest, atol=3 / 2**15)
    assert set(tracks["pools/voices/a"].stems) == {"vocals"}
    demo = next(track for name, track in tracks.items() if name.startswith("demo/") and track.split == "train")
    own = read_recordings(run / "parts" / "demo", run / "parts" / "demo")[0]
    parts = [audio.read(source.path).mean(1) for stem in ("drums", "bass", "other") for source in own.stems[stem]]
    assert set(demo.stems) == {"vocals", "accompaniment"}
    assert np.square(audio.read(demo.stems["accompaniment"])).mean() == pytest.approx(np.square(sum(parts)).mean(), rel=0.1)


def test_the_index_does_not_depend_on_the_order_of_the_parts(run, mixed, monkeypatch):
    before = (run / "raw" / "tracks.parquet").read_bytes()
    turned = mixed.model_copy(update={"data": mixed.data.model_copy(update={"parts": dict(reversed(mixed.data.parts.items()))})})
    monkeypatch.setattr(download, "load_params", lambda: turned)
    download.main()
    assert (run / "raw" / "tracks.parquet").read_bytes() == before


def test_a_part_that_was_not_prepared_names_what_to_run(mixed):
    with pytest.raises(UserError, match="data/parts/demo/tracks.parquet is not here; run dvc repro part@demo"):
        download.main()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"provider": "mix", "root": "data/parts"}, "has provider mix and no parts; give some"),
        ({"parts": {"demo": "songs"}}, "has parts, which only provider mix has"),
        ({"provider": "mix", "root": "songs", "parts": {"demo": "songs"}}, "the root of a mix is data/parts"),
        ({"provider": "mix", "root": "data/parts", "parts": {"napster": "songs"}}, "has napster among its parts"),
        ({"provider": "mix", "root": "data/parts", "parts": {"mix": "songs"}}, "has mix among its parts"),
        ({"shares": {"a": -1.0}}, "greater than or equal to 0"),
    ],
)
def test_parts_that_cannot_be_are_refused(params, values, said):
    with pytest.raises(ValueError, match=said):
        changed(params, data={**params.data.model_dump(), **values})
