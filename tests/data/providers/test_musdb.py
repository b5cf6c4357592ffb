import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.conftest import SHARED, song
from tests.data.stem_files import write_stem_file
from unsung import audio
from unsung.data.providers.musdb import STREAMS, VALID, stem_files
from unsung.data.tracks import mixture
from unsung.errors import UserError

EXCERPT = SHARED / "musdb18_excerpts" / "Music Delta - 80s Rock.stem.mp4"


def musdb_config() -> dict:
    """The musdb package's facts, without importing it: that needs the program ffmpeg."""
    spec = importlib.util.find_spec("musdb")
    assert spec is not None and spec.origin is not None
    return YAML(typ="safe").load(Path(spec.origin).parent / "configs" / "mus.yaml")


def test_validation_songs_and_streams_are_those_of_the_musdb_package():
    config = musdb_config()
    assert set(config["validation_tracks"]) == VALID
    assert {stem: number for number, stem in enumerate(STREAMS)} == {"mixture": 0, **config["stem_ids"]} | {"mixture": 0}


def test_a_stem_file_is_five_streams(tmp_path):
    stems = song(0, 1.0, 44_100)
    for split in ("train", "test"):
        write_stem_file(tmp_path / split / "Artist - Title (Live).stem.mp4", {"mixture": sum(stems.values()), **stems})
    found = list(stem_files(tmp_path, "MUSDB18"))
    assert [(track.name, track.split) for track in found] == [("Artist - Title (Live)", split) for split in ("train", "test")]
    for stem, (source,) in found[0].stems.items():
        read = np.concatenate(list(source.blocks(2)))[:44_100]
        reference = stems[stem] if stem in stems else sum(stems.values())
        assert source.facts().sample_rate == 44_100
        assert np.corrcoef(read[4000:-4000, 0], reference[4000:-4000, 0])[0, 1] > 0.9, stem  # AAC is not exact


def test_the_folder_that_an_archive_wraps_around_is_looked_into(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "musdb18" / split).mkdir(parents=True)
    assert list(stem_files(tmp_path, "MUSDB18")) == []
    shutil.rmtree(tmp_path / "musdb18" / "test")
    with pytest.raises(UserError, match="has no folder train; set data.root to where MUSDB18 was extracted"):
        list(stem_files(tmp_path, "MUSDB18"))


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="stempeg needs the program ffmpeg")
@pytest.mark.parametrize("which", ["excerpt of MUSDB18", "example of stempeg"])
def test_the_samples_are_those_of_stempeg(which):
    import stempeg

    path = EXCERPT if which == "excerpt of MUSDB18" else Path(stempeg.example_stem_path())
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    reference, rate = stempeg.read_stems(str(path))
    for stream in range(5):
        assert audio.facts(path, stream) == audio.Facts(rate, 2, reference.shape[1])
        found = np.concatenate(list(audio.blocks(path, stream=stream)))
        np.testing.assert_allclose(found, reference[stream], atol=5e-7)


@pytest.mark.skipif(not EXCERPT.is_file(), reason=f"{EXCERPT} is not here")
def test_a_real_excerpt_goes_through_resampling(tmp_path, params):
    from unsung.data.stems import prepare

    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        shutil.copy(EXCERPT, tmp_path / split)
    trained, tested = (prepare(recording, tmp_path / "out", params.audio)[0] for recording in stem_files(tmp_path, "MUSDB18"))
    assert set(tested.stems) - set(trained.stems) == {"mixture"}
    given, added = np.concatenate(list(mixture(tested))), np.concatenate(list(mixture(trained)))
    assert given.shape == added.shape and np.abs(given - added).max() > 0  # its own encoding, and kept for testing
    assert np.square(given - added).sum() < 0.05 * np.square(given).sum()
