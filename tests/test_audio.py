import numpy as np
import pytest
import soundfile
import soxr

from unsung import audio
from unsung.errors import UserError


@pytest.fixture
def tone():
    t = np.arange(100_000) / 44_100
    return 0.5 * np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 660 * t)], axis=1).astype(np.float32)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_blocks_are_the_file(tmp_path, tone, extension):
    path = tmp_path / f"a.{extension}"
    soundfile.write(path, tone, 44_100)
    expected = soundfile.read(path, dtype="float32")[0]
    np.testing.assert_array_equal(audio.read(path), expected)
    assert audio.facts(path) == audio.Facts(44_100, 2, len(expected))


def test_what_libsndfile_cannot_open_goes_through_pyav(tmp_path, tone):
    import av

    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="stereo", bit_rate=256_000)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone.T), format="fltp", layout="stereo")
        frame.sample_rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    found = audio.read(path)
    facts = audio.facts(path)
    assert (facts.sample_rate, facts.channels, facts.frames) == (44_100, 2, len(found))
    inner = slice(20_000, 60_000)
    shift = max(range(-3000, 3000, 1), key=lambda s: float((found[20_000 + s : 60_000 + s] * tone[inner]).sum()))
    np.testing.assert_allclose(found[20_000 + shift : 60_000 + shift], tone[inner], atol=0.02)


def test_a_stream_is_resampled_like_the_whole(tmp_path, tone):
    path = tmp_path / "a.flac"
    soundfile.write(path, tone, 44_100, subtype="PCM_24")
    found = np.concatenate(list(audio.resampled(audio.blocks(path), 44_100, 22_050)))
    expected = soxr.resample(audio.read(path), 44_100, 22_050, quality="HQ")
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_mixing_down_and_giving_to_all(tone, tmp_path):
    assert audio.to_channels(tone, 2, tmp_path) is tone
    np.testing.assert_allclose(audio.to_channels(tone, 1, tmp_path)[:, 0], tone.mean(1))
    np.testing.assert_array_equal(audio.to_channels(tone[:, :1], 2, tmp_path)[:, 1], tone[:, 0])
    with pytest.raises(UserError, match="has 5 channels, 2 are needed"):
        audio.to_channels(np.zeros((3, 5), np.float32), 2, tmp_path)


@pytest.mark.parametrize("bits", [16, 24])
def test_what_is_written_is_read_back_to_the_last_bit(tmp_path, bits):
    rng = np.random.default_rng(0)
    limit = 2 ** (bits - 1)
    grid = (rng.integers(-limit, limit, (70_000, 2)) * 2 ** (24 - bits)).astype(np.int32)
    audio.write(tmp_path / "a.flac", [grid[:50_000], grid[50_000:]], 44_100, 2, bits)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.flac", dtype="int32")[0] >> 8, grid)
    np.testing.assert_array_equal(audio.to_grid(audio.read(tmp_path / "a.flac"), bits), grid)


def test_beyond_full_scale_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="beyond full scale"):
        audio.write(tmp_path / "a.flac", [np.full((10, 1), audio.FULL_SCALE, np.int32)], 8000, 1)
    assert not (tmp_path / "a.flac").exists()


def test_blocks_are_fitted_and_rebatched():
    blocks = [np.full((n, 1), i, np.float32) for i, n in enumerate((3, 5, 2))]
    whole = np.concatenate(blocks)
    again = list(audio.rebatched(blocks, 4))
    assert [len(b) for b in again] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(again), whole)
    for length in (7, 10, 13):
        fitted = np.concatenate(list(audio.fitted(blocks, length, 1)))
        np.testing.assert_array_equal(fitted, np.pad(whole, ((0, max(0, length - 10)), (0, 0)))[:length])


@pytest.mark.parametrize("content", [b"these are words", bytes(5000)])
def test_what_is_not_audio_is_one_line(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.wav is not audio"):
        audio.facts(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"b\.wav is not a file"):
        audio.read(tmp_path / "b.wav")


@pytest.mark.parametrize("extension", ["mp3", "flac", "ogg"])
def test_a_file_that_was_cut_off_is_one_line(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    noise = 0.1 * np.random.default_rng(0).standard_normal((400_000, 1)).astype(np.float32)
    soundfile.write(path, noise, 44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=rf"a\.{extension} (ends after|cannot be read to its end|is cut short)"):
        audio.read(path)


def test_a_name_that_ends_in_raw_is_one_line(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(range(256)) * 100)
    with pytest.raises(UserError, match=r"a\.raw (is not|has no) audio"):
        audio.read(tmp_path / "a.raw")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nan_and_infinite_samples_are_refused(tmp_path, tone, wrong):
    tone[777] = wrong
    soundfile.write(tmp_path / "a.wav", tone, 44_100, subtype="FLOAT")
    with pytest.raises(UserError, match=r"a\.wav has NaN or infinite samples"):
        audio.read(tmp_path / "a.wav")
