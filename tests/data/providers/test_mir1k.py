import hashlib

import numpy as np
import pytest
import soundfile

from tests.conftest import SHARED, changed, song
from tests.data.loopback import serving, zipped
from tests.data.providers import tracks_of
from unsung import audio
from unsung.data.providers import mir1k, provide
from unsung.data.remote import Remote
from unsung.data.stems import prepare
from unsung.errors import UserError

RATE = 16_000
CLIPS = {"abjones_1_01": "train", "abjones_5_08": "valid", "amy_10_02": "train", "amy_9_01": "valid", "Ani_1_01": "test"}


def clip(number):
    stems = song(number, 1.0, RATE, channels=1)
    return np.concatenate([stems["other"], stems["vocals"]], axis=1)  # left accompaniment, right voice


@pytest.fixture
def root(tmp_path):
    for folder in ("Wavfile", "UndividedWavfile", "PitchLabel"):
        (tmp_path / "MIR-1K" / folder).mkdir(parents=True)
    for number, name in enumerate(CLIPS):
        soundfile.write(tmp_path / "MIR-1K" / "Wavfile" / f"{name}.wav", clip(number), RATE)
        soundfile.write(tmp_path / "MIR-1K" / "UndividedWavfile" / f"{name[:-3]}.wav", clip(number), RATE)
        (tmp_path / "MIR-1K" / "PitchLabel" / f"{name}.pv").touch()
    return tmp_path


def test_clips_are_split_by_singer_and_song(root, params):
    assert {track.name: track.split for track in tracks_of(mir1k, root, params)} == CLIPS


def test_the_left_channel_is_the_accompaniment_and_the_right_one_the_voice(root, params, tmp_path):
    wanted = changed(params, audio__sample_rate=RATE).audio
    recording = next(track for track in tracks_of(mir1k, root, params) if track.name == "abjones_1_01")
    track, _ = prepare(recording, tmp_path / "out", wanted)
    found = np.concatenate([audio.read(track.stems[stem]) for stem in ("accompaniment", "vocals")], axis=1)
    np.testing.assert_allclose(found, clip(0), atol=2 / 2**15)


def test_it_is_downloaded_and_extracted(root, params, tmp_path, monkeypatch):
    """A loopback server whose URL has no file name. The real archive is a rar; see test_unpack."""
    content = zipped(root / "MIR-1K", "MIR-1K")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    with serving(content) as (address, _):
        remote = Remote(f"{address}/files/10256751", f"md5:{hashlib.md5(content).hexdigest()}", called="MIR-1K.rar")
        monkeypatch.setattr(mir1k, "ARCHIVE", remote)
        found, tracks = provide(tmp_path / "raw", changed(params, data__provider="mir1k"))
    assert found.parent.name == "datasets" and {track.name: track.split for track in tracks} == CLIPS


def test_a_limit_is_kept_and_a_wrong_folder_is_one_line(root, params, tmp_path):
    limited = changed(params, data__provider="mir1k", data__root=str(root), providers__mir1k__limit=1)
    assert sorted(track.split for track in provide(tmp_path / "raw", limited)[1]) == ["test", "train", "valid"]
    with pytest.raises(UserError, match="holds no clip such as abjones_1_01.wav"):
        list(tracks_of(mir1k, root / "MIR-1K" / "PitchLabel", params))


@pytest.mark.skipif(not (SHARED / "mir1k").is_dir(), reason=f"{SHARED / 'mir1k'} is not here")
def test_the_real_clips(params):
    found = [track.split for track in tracks_of(mir1k, SHARED / "mir1k", params)]
    assert (found.count("train"), found.count("valid"), found.count("test")) == (157, 18, 104)
