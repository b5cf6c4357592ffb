import re

import numpy as np
import pytest
import soundfile
from jaxtyping import config

import unsung
from examples import separate_with_onnx
from tests.conftest import ROOT
from unsung import export
from unsung.audio import FULL_SCALE
from unsung.places import Wanted
from unsung.separation import Method
from unsung.songs import check, separate_songs

SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.fixture
def model(separator, tmp_path):
    separator.save(tmp_path / "tiny")
    return unsung.load(tmp_path / "tiny", jobs=2)


@pytest.mark.parametrize("shape", [(20_000,), (20_000, 1), (20_000, 2), (1, 2)])
def test_parts_have_the_songs_shape_and_add_up(model, shape):
    song = noise(*shape)
    parts = model.separate(song, 16_000)
    assert list(parts) == ["vocals", "accompaniment"] == list(model.parts)
    assert all(part.shape == shape and part.dtype == np.float32 for part in parts.values())
    np.testing.assert_array_equal(sum(parts.values()), np.rint(song.astype(np.float64) * FULL_SCALE) / FULL_SCALE)


def test_the_command_gives_the_same(model, params, tmp_path):
    song = np.rint(noise(200_000, 2) * 2**15) / 2**15
    soundfile.write(tmp_path / "a.wav", song, 16_000, subtype="PCM_16")
    separate = params.separate.model_copy(update={"window_seconds": 8.0, "overlap": 0.25})
    check(separate_songs([tmp_path / "a.wav"], Method(tmp_path / "tiny", separate, 0), Wanted(tmp_path / "out")))
    for part, samples in model.separate(song, 16_000).items():
        np.testing.assert_array_equal(soundfile.read(tmp_path / "out" / "a" / f"{part}.flac")[0], samples)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_integers_are_the_same_song(model, kind):
    whole = np.rint(noise(9000) * 2**15).astype(np.int16)
    same = whole.astype(kind) << (16 if kind == np.int32 else 0)
    found, expected = model.separate(same, 8000), model.separate(whole / 2**15, 8000)
    np.testing.assert_array_equal(found["vocals"], expected["vocals"])


def test_a_stream_gives_the_same_in_blocks(model):
    song, told = noise(300_000, 2), []
    blocks = list(model.stream((song[i : i + 1000] for i in range(0, len(song), 1000)), 8000, told.append))
    whole = model.separate(song, 8000)
    for part in model.parts:
        np.testing.assert_array_equal(np.concatenate([block[part] for block in blocks]), whole[part])
    assert len(blocks) > 3 and told == sorted(told) and told[-1] == pytest.approx(37.5)
    assert list(model.stream([], 8000)) == []


def test_a_stream_is_not_kept_in_memory(model):
    read = 0

    def blocks():
        nonlocal read
        for _ in range(200):
            read += 8000
            yield noise(8000, 1)

    first = next(model.stream(blocks(), 8000))
    assert len(first["vocals"]) > 0 and read < 8000 * 120


@pytest.mark.parametrize(
    ("song", "rate", "words"),
    [
        (np.zeros(0), 8000, "has the shape"),
        (np.zeros((5, 5, 5)), 8000, "has the shape"),
        (np.zeros(5, bool), 8000, "has samples of type bool"),
        (np.full(5, np.nan), 8000, "NaN or infinite"),
        (np.full(5, 9.0), 8000, "peak is 9.0 times full scale"),
        (np.zeros(5), 0, "0 Hz"),
    ],
)
def test_songs_that_cannot_be_are_one_line(model, song, rate, words):
    with pytest.raises(unsung.UserError, match=words):
        model.separate(song, rate)


def test_models_and_options_that_cannot_be_are_one_line(tmp_path):
    for options in ({"model": tmp_path}, {"accelerator": "abacus"}, {"overlap": 2.0}, {"calls": -1}):
        with pytest.raises(unsung.UserError):
            unsung.load(**options)


def test_the_snippets_of_the_page_run(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album").mkdir()
    for path in ("song.wav", "album/a.wav"):
        soundfile.write(path, noise(16_000, 2), 16_000)
    load = unsung.load
    monkeypatch.setattr(unsung, "load", lambda name, **options: load(tmp_path / "tiny", **options), raising=False)
    names = {}
    assert len(SNIPPETS) > 5
    for snippet in SNIPPETS:
        exec(snippet, names)  # in a folder of the test's own
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.suffix in (".wav", ".mp3", ".flac")}
    assert {"vocals.wav", "without.wav", "out/song/vocals.mp3", "out/a/vocals.flac"} < made


@pytest.mark.parametrize(("channels", "rate", "frames"), [(1, 8000, 190_000), (2, 11_025, 30_000), (2, 8000, 64_001)])
def test_the_onnx_example_is_the_command(model, tmp_path, channels, rate, frames):
    song = noise(frames, channels)
    soundfile.write(tmp_path / "a.wav", song, rate, subtype="FLOAT")
    config.update("jaxtyping_disable", True)  # shapes are tensors while torch traces
    file = export.write(tmp_path / "tiny", "onnx", "separator", tmp_path / "tiny.onnx")
    config.update("jaxtyping_disable", False)
    separate_with_onnx.main(str(file), str(tmp_path / "a.wav"), str(tmp_path / "out"))
    for part, samples in model.separate(song, rate).items():
        found = soundfile.read(tmp_path / "out" / f"{part}.wav", always_2d=True)[0]
        assert 10 * np.log10(np.square(found - samples).sum() / np.square(samples).sum()) < -80
    assert len((ROOT / "examples" / "separate_with_onnx.py").read_text().splitlines()) <= 80
