import hashlib

import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML

from tests.conftest import changed, song
from tests.data.loopback import serving, tarred
from tests.data.providers import tracks_of
from unsung import audio
from unsung.data.providers import provide, slakh2100
from unsung.data.remote import Remote
from unsung.data.stems import prepare
from unsung.errors import UserError

RATE = 44_100


def write_song(folder, number):
    """A song as the redux edition has it: a stem that was not rendered, a wrong audio_dir."""
    stems = song(number, 0.5, RATE, channels=1)
    classes = [("Piano", "other"), ("Bass", "bass"), ("Drums", "drums"), ("Strings (continued)", "vocals"), ("Sound effects", "")]
    metadata = {"UUID": "x", "audio_dir": "Volumes/data/stems", "overall_gain": 0.5, "stems": {}}
    (folder / "stems").mkdir(parents=True)
    for place, (kind, sound) in enumerate(classes):
        facts = {"audio_rendered": bool(sound), "inst_class": kind, "is_drum": kind == "Drums", "program_num": 0}
        metadata["stems"][f"S{place + 1:02}"] = facts
        if sound:
            soundfile.write(folder / "stems" / f"S{place + 1:02}.flac", stems[sound], RATE)
    soundfile.write(folder / "mix.flac", sum(stems.values()), RATE)
    YAML().dump(metadata, folder / "metadata.yaml")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slakh")
    for number, split in enumerate(("train", "train", "validation", "test", "omitted")):
        write_song(folder / split / f"Track{number + 1:05}", number)
    return folder


@pytest.fixture
def mine(params, root):
    return changed(params, data__provider="slakh2100", data__root=str(root), model__targets=("bass",))


def test_the_redux_split_and_the_stems_by_class(root, mine):
    tracks = list(tracks_of(slakh2100, root, mine))
    assert {track.name: track.split for track in tracks} == {
        "Track00001": "train",
        "Track00002": "train",
        "Track00003": "valid",
        "Track00004": "test",
    }
    files = {stem: [source.path.stem for source in sources] for stem, sources in tracks[0].stems.items()}
    assert files == {"mixture": ["mix"], "bass": ["S02"], "drums": ["S03"], "guitar": [], "piano": ["S01"], "other": ["S04"]}
    strings = changed(mine, providers__slakh2100__stems=("strings",), model__targets=("strings",))
    assert [source.path.stem for source in next(iter(tracks_of(slakh2100, root, strings))).stems["strings"]] == ["S04"]


def test_the_stems_of_a_test_track_add_up_to_its_mix(root, mine, tmp_path):
    track, remarks = prepare(list(tracks_of(slakh2100, root, mine))[-1], tmp_path, mine.audio)
    found = {stem: audio.read(path) for stem, path in track.stems.items()}
    assert not remarks and not found["guitar"].any()
    added = sum(samples for stem, samples in found.items() if stem != "mixture")
    np.testing.assert_allclose(added, found["mixture"], atol=6 / 2**15)


def test_it_is_downloaded_and_extracted(root, mine, tmp_path, monkeypatch):
    """A server on loopback with a tar.gz of the real layout, which cuts the first connection."""
    content = tarred(root, "slakh2100_flac_redux")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with serving(content) as (address, handler):
        handler.plan = [100_000]
        remote = Remote(f"{address}/slakh2100_flac_redux.tar.gz", f"md5:{hashlib.md5(content).hexdigest()}")
        monkeypatch.setattr(slakh2100, "ARCHIVE", remote)
        found, tracks = provide(tmp_path / "raw", changed(mine, data__provider="slakh2100", data__root="songs"))
    assert found.parent.name == "datasets" and len(tracks) == 4 and tracks[0].stems["mixture"][0].path.is_relative_to(found)


def test_no_one_sings_here(root, mine):
    with pytest.raises(UserError, match="model.targets has vocals, which is not among providers.slakh2100.stems"):
        list(tracks_of(slakh2100, root, changed(mine, model__targets=("vocals",))))


def test_a_limit_is_kept_for_each_split(mine, tmp_path):
    limited = changed(mine, providers__slakh2100__limit=1)
    assert [track.split for track in provide(tmp_path / "raw", limited)[1]] == ["train", "valid", "test"]


def test_what_is_wrong_is_one_line(tmp_path, mine):
    for split in ("train", "validation", "test"):
        write_song(tmp_path / split / f"Track-{split}", 0)
    metadata = tmp_path / "train" / "Track-train" / "metadata.yaml"
    metadata.write_text("stems: [")
    (tmp_path / "validation" / "Track-validation" / "mix.flac").unlink()
    (tmp_path / "test" / "Track-test" / "stems" / "S02.flac").unlink()
    assert [track.fault for track in tracks_of(slakh2100, tmp_path, mine)] == [
        "metadata.yaml is not as Slakh2100 has it: ParserError",
        "no mix.flac",
        "no S02.flac",
    ]
    metadata.unlink()
    assert next(iter(tracks_of(slakh2100, tmp_path, mine))).fault == "no metadata.yaml"
    with pytest.raises(UserError, match="has no folder train; set data.root to where Slakh2100 redux was extracted"):
        list(tracks_of(slakh2100, tmp_path / "test", mine))
