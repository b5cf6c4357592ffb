import numpy as np
import pytest
import soundfile

from tests.data.providers import tracks_of
from unsung.data.credits import Credit
from unsung.data.providers import pools
from unsung.errors import UserError

RATE = 8000
CARDS = {
    "bands": "kind: accompaniment\nlicence: CC-BY-SA-3.0\ncredit: 'A band, its players'\n",
    "songs": "kind: songs\nlicence: CC0-1.0\ncredit: Nobody\n",
    "tests": "kind: songs\nlicence: CC0-1.0\ncredit: Nobody\nsplit: test\n",
    "voices": "kind: vocals\nlicence: MIT\ncredit: A singer\n",
}
FILES = (
    "bands/a.ogg", "bands/b.flac", "songs/0.1.vocals.wav", "songs/0.1.accompaniment.flac", "tests/t.vocals.flac",
    "tests/t.accompaniment.flac", "voices/a.wav", "speech/x/00.ogg",
)  # fmt: skip


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    for pool, text in CARDS.items():
        (tmp_path / pool / "pool.yaml").write_text(text)
    for name in (".packages/deep/a.wav", "soundfonts/font.sf2", "voices/.hidden.wav", "voices/notes.txt", "voices/0.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_each_pool_gives_the_stems_of_its_kind(root, params):
    found = {track.name: (track.split, *sorted(track.stems)) for track in tracks_of(pools, root, params)}
    both = ("accompaniment", "vocals")
    assert found == {
        "bands/a": ("train", "accompaniment"),
        "bands/b": ("train", "accompaniment"),
        "songs/0.1": ("train", *both),
        "tests/t": ("test", *both),
        "voices/a": ("train", "vocals"),
    }


def test_each_pool_has_its_credit(root):
    assert pools.credits(root)[0] == Credit("bands", "CC-BY-SA-3.0", "A band, its players")
    assert [credit.data for credit in pools.credits(root)] == list(CARDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "voices has no pool.yaml; write one with kind, licence and credit"),
        ("", "pool.yaml is empty"),
        ("kind: voice\nlicence: MIT\ncredit: X", "kind in .*pool.yaml is 'voice': Input should be 'vocals'"),
        ("kind: vocals\nlicence: MIT", "credit in .*pool.yaml is missing; add it"),
        ("kind: vocals\nlicence: 7\ncredit: X", "licence in .*pool.yaml is 7"),
        ("kind: vocals\nlicence: ' '\ncredit: X", "licence in .*pool.yaml is ' ': it must be a line of words"),
        ('kind: vocals\nlicence: MIT\ncredit: "a\\nb"', "credit in .*pool.yaml is .*a line of words"),
        ("kind: vocals\nlicence: MIT\ncredit: X\nsplit: dev", "split in .*pool.yaml is 'dev'"),
        ("kind: vocals\nlicence: MIT\ncredit: X\nsplit: valid", "split in .* is 'valid', and only songs can validate or test"),
        ("kind: vocals\nlicence: MIT\ncredit: X\nshare: 3", "share in .*pool.yaml is not a parameter"),
        ("kind: [", "pool.yaml is not YAML"),
    ],
)
def test_a_pool_that_does_not_say_what_it_is_is_one_line(root, params, text, said):
    card = root / "voices" / "pool.yaml"
    card.write_text(text) if text is not None else card.unlink()
    with pytest.raises(UserError, match=said):
        tracks_of(pools, root, params)


def test_songs_that_are_not_whole_are_named(root, params):
    (root / "songs" / "0.1.vocals.wav").unlink()
    for name in ("odd.wav", "twice.vocals.wav", "twice.vocals.ogg", "twice.accompaniment.wav"):
        (root / "songs" / name).write_bytes(b"x")
    faults = {track.name: track.fault for track in tracks_of(pools, root, params) if track.fault}
    assert faults == {
        "songs/0.1": "no 0.1.vocals",
        "songs/odd": "its name does not end in .vocals or .accompaniment",
        "songs/twice": "two files for the stem vocals",
    }


def test_a_root_without_pools_an_empty_pool_and_other_targets_are_one_line(root, tmp_path_factory, params):
    with pytest.raises(UserError, match="holds no pool, which is a folder of audio files with a pool.yaml"):
        tracks_of(pools, tmp_path_factory.mktemp("empty"), params)
    with pytest.raises(UserError, match="model.targets has bass, and pools tell vocals and accompaniment apart"):
        list(pools.tracks(root, pools.Settings(), ("vocals", "bass")))
    (root / "voices" / "a.wav").unlink()
    with pytest.raises(UserError, match="voices holds no audio file"):
        tracks_of(pools, root, params)
