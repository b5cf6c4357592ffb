import numpy as np
import pytest
import soundfile

from tests.conftest import changed
from tests.data.providers import tracks_of
from unsung.data.providers import demo
from unsung.files import sha256


@pytest.fixture(scope="module")
def small(params):
    return changed(params, providers__demo={"train": 2, "valid": 1, "test": 1, "seconds": 4.0}, compute__workers=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("demo")
    demo.compose(folder, small.providers.demo, small.seed, small.compute)
    return folder


def test_the_layout_is_that_of_musdb18hq(root, small):
    folders = sorted(path.relative_to(root).parts[0] for path in root.glob("*/* - */mixture.wav"))
    assert folders == ["test", "train", "train", "train"]
    for track in tracks_of(demo, root, small):
        assert {path.stem for path in track.stems["vocals"][0].path.parent.iterdir()} == {
            "mixture",
            "drums",
            "bass",
            "other",
            "vocals",
        }
        info = soundfile.info(str(track.stems["vocals"][0].path))
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (44_100, 2, "PCM_16", 4 * 44_100)


def test_the_mixture_is_the_sum_to_the_last_bit(root, small):
    for track in tracks_of(demo, root, small):
        stems = {name: soundfile.read(sources[0].path, dtype="int16")[0].astype(int) for name, sources in track.stems.items()}
        mixture = stems.pop("mixture")
        np.testing.assert_array_equal(sum(stems.values()), mixture)


def test_every_song_has_its_split_and_a_name_of_its_own(root, small):
    found = list(tracks_of(demo, root, small))
    assert [track.split for track in found] == ["train", "train", "valid", "test"]
    assert len({track.name for track in found}) == 4


def test_a_song_does_not_depend_on_how_many_there_are(tmp_path, root, small):
    fewer = changed(small, providers__demo__train=1, compute__workers=1)
    demo.compose(tmp_path, fewer.providers.demo, fewer.seed, fewer.compute)
    mine = {track.name: track for track in tracks_of(demo, tmp_path, fewer)}
    for track in tracks_of(demo, root, small):
        if track.name in mine:
            assert sha256(mine[track.name].stems["vocals"][0].path) == sha256(track.stems["vocals"][0].path)
    assert len(mine) == 3


def test_another_seed_is_other_songs(tmp_path, root, small):
    other = changed(small, seed=1, providers__demo__train=1)
    demo.compose(tmp_path, other.providers.demo, other.seed, other.compute)
    hashes = {sha256(track.stems["vocals"][0].path) for track in tracks_of(demo, root, small)}
    assert not hashes & {sha256(track.stems["vocals"][0].path) for track in tracks_of(demo, tmp_path, other)}
