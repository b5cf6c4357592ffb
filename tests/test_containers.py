"""Whole files are read, and cut ones are told, wherever they are cut."""

import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sounds import APE, ID3, ID3V1, NO_LENGTH, WITH_FFMPEG, WITH_SOUNDFILE, noise, write
from unsung import audio
from unsung.containers import inspect
from unsung.errors import UserError

KINDS = [*WITH_SOUNDFILE, *WITH_FFMPEG]
LOSSLESS = {"wav", "rf64", "aiff", "flac", "mkv"}
SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file of each kind, and its frames as they are read."""
    folder, found = tmp_path_factory.mktemp("whole"), {}
    for kind in KINDS:
        path = write(folder / f"a.{kind}", kind, noise(1.5))
        found[kind] = path.read_bytes(), len(audio.read(path))
    return found


def changed(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", KINDS)
@given(frames=st.integers(1, 9000), channels=st.integers(1, 2), seed=st.integers(0, 9))
@settings(SOME, max_examples=10)
def test_a_whole_file_is_read_to_its_end(tmp_path, kind, frames, channels, seed):
    frames += 5000 * (kind in NO_LENGTH)  # FFmpeg does not know an mp3 or aac of less than half a second
    samples = noise(frames / 8000, channels=channels, seed=seed)
    path = write(tmp_path / f"a.{kind}", kind, samples)
    facts, found = audio.facts(path), audio.read(path)
    assert found.shape == (facts.frames, channels)
    assert facts.frames * 8000 >= frames * facts.sample_rate
    if kind in WITH_SOUNDFILE or kind in LOSSLESS:
        assert len(found) == frames
    if kind in LOSSLESS:
        np.testing.assert_allclose(found, samples, atol=2**-14)


@pytest.mark.parametrize("kind", KINDS)
@given(share=st.floats(0, 1, exclude_max=True))
@SOME
def test_a_file_cut_anywhere_is_never_silently_short(tmp_path, whole, kind, share):
    content, frames = whole[kind]
    path = changed(tmp_path / f"a.{kind}", content[: int(share * len(content))])
    try:
        audio.facts(path)
        found = len(audio.read(path))
    except UserError:
        return
    assert found == frames or (found < frames and kind in NO_LENGTH)


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus"])
@given(share=st.floats(0.02, 1, exclude_max=True), change=st.integers(1, 255))  # a FLAC header has no checksum
@SOME
def test_a_changed_byte_is_never_silently_heard(tmp_path, whole, kind, share, change):
    """Where each part of a file has a checksum. The samples are the same, or there is an error."""
    content = bytearray(whole[kind][0])
    path = changed(tmp_path / f"a.{kind}", content)
    expected = audio.read(path)
    content[int(share * len(content))] ^= change
    changed(path, content)
    try:
        audio.facts(path)
        found = audio.read(path)
    except UserError:
        return
    np.testing.assert_array_equal(found, expected)


@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"\xff\xfb\x90", b"ID3", b"\x1aE\xdf\xa3"]),
)
@SOME
def test_any_bytes_are_one_line(tmp_path, content, head):
    path = changed(tmp_path / "a.mp3", head + content)
    with pytest.raises(UserError):
        audio.facts(path)
        if not len(audio.read(path)):
            raise UserError("empty")


@pytest.mark.parametrize("header", [b"\x00\x80" + bytes(7), b"\x00\x10" + bytes(6)], ids=["2^63 bytes", "2^52 bytes"])
def test_a_matroska_header_of_any_size_is_one_line(tmp_path, header):
    with pytest.raises(UserError):
        audio.facts(changed(tmp_path / "a.mkv", b"\x1a\x45\xdf\xa3" + header))


@pytest.mark.parametrize(("kind", "before", "behind"), [
    ("wav", b"", b"LIST\x04\0\0\0INFO"),
    ("wav", b"", b"junk of any kind"),
    ("flac", ID3, b""),
    ("flac", b"", ID3V1),
    ("flac", b"", bytes(500)),
    ("ogg", b"", ID3V1),
    ("mp3", ID3 + ID3, ID3V1),
    ("mp3", b"", APE + ID3V1),
    ("mp3", bytes(999), b""),
    ("mp3", ID3, b"more junk" * 99),
    ("headerless.mp3", ID3, APE),
    ("headerless.mp3", bytes(999), b"junk" * 999),
    ("xing.mp3", ID3, APE),
    ("aac", ID3, ID3V1),
])  # fmt: skip
def test_what_stands_before_and_behind_the_audio_does_not_matter(tmp_path, whole, kind, before, behind):
    content, frames = whole[kind]
    path = changed(tmp_path / f"a.{kind}", before + content + behind)
    assert audio.facts(path).frames == len(audio.read(path)) == frames


def streamed(content: bytes, size: int, order: str = "<") -> bytes:
    """A WAV file as a program writes it into a pipe."""
    return content[:4] + struct.pack(f"{order}I", size) + content[8:40] + struct.pack(f"{order}I", size) + content[44:]


@pytest.mark.parametrize("size", [0, 2**32 - 1, 0x7FFFF000, 0x7FFFFFFF, 2**31])
def test_a_wav_from_a_pipe_states_no_length(tmp_path, whole, size):
    content, frames = whole["wav"]
    assert len(audio.read(changed(tmp_path / "a.wav", streamed(content, size)))) == frames
    assert audio.facts(changed(tmp_path / "b.wav", streamed(content, size)[:-4000])).frames == frames - 1000


def test_a_flac_from_a_pipe_states_no_length(tmp_path, whole):
    content, frames = whole["flac"]
    content = content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]
    path = changed(tmp_path / "a.flac", content)
    assert audio.facts(path).frames == len(audio.read(path)) == frames
    np.testing.assert_allclose(audio.read(path), noise(1.5), atol=2**-14)


def test_an_odd_number_of_bytes_may_lack_its_padding(tmp_path):
    samples = np.zeros((1001, 1))
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="PCM_U8")
    content = (tmp_path / "a.wav").read_bytes()
    for path in (tmp_path / "a.wav", changed(tmp_path / "b.wav", content[: content.index(b"data") + 8 + 1001])):
        assert len(audio.read(path)) == 1001
    with pytest.raises(UserError, match=r"c\.wav is cut short"):
        audio.facts(changed(tmp_path / "c.wav", content[: content.index(b"data") + 8 + 1000]))


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_ogg_files_put_together_are_read_one_after_the_other(tmp_path, whole, kind):
    other = write(tmp_path / "other", kind, noise(0.5, seed=1))
    content, frames = whole[kind]
    path = changed(tmp_path / f"a.{kind}", content + ID3V1 + other.read_bytes() + content)
    assert len(inspect(path).links) == 3
    expected = [audio.read(changed(tmp_path / "one", content)), audio.read(other)]
    np.testing.assert_array_equal(audio.read(path), np.concatenate([*expected, expected[0]]))
    assert audio.facts(path).frames == 2 * frames + len(expected[1])
    mono = write(tmp_path / "mono", kind, noise(0.5, channels=1))
    with pytest.raises(UserError, match="of different sample rates or channels"):
        audio.facts(changed(path, content + mono.read_bytes()))


@pytest.mark.parametrize("first", ["mp3", "xing.mp3", "headerless.mp3"])
@pytest.mark.parametrize("second", ["mp3", "headerless.mp3"])
def test_mp3s_put_together_are_read_to_the_end(tmp_path, whole, first, second):
    path = changed(tmp_path / "a.mp3", whole[first][0] + ID3 + whole[second][0])
    assert audio.facts(path).frames == len(audio.read(path))
    assert len(audio.read(path)) == pytest.approx(whole[first][1] + whole[second][1], abs=3000)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "m4a"])
def test_other_files_put_together_are_refused(tmp_path, whole, kind):
    with pytest.raises(UserError, match=f"a.{kind} is two files, one behind the other"):
        audio.read(changed(tmp_path / f"a.{kind}", whole[kind][0] * 2))


def pages(content: bytes) -> list[bytes]:
    found = []
    while content:
        length = 27 + content[26] + sum(content[27 : 27 + content[26]])
        found.append(content[:length])
        content = content[length:]
    return found


def test_pages_of_an_ogg_file(tmp_path, capsys):
    every = pages(write(tmp_path / "a.ogg", "ogg", noise(8)).read_bytes())
    path = tmp_path / "b.ogg"
    with pytest.raises(UserError, match="b.ogg is damaged at byte"):  # one is missing
        audio.facts(changed(path, b"".join([*every[:-2], every[-1]])))
    audio.facts(changed(path, b"".join([*every[:2], *every[3:]])))  # recorded from its middle
    assert not capsys.readouterr().err
    audio.facts(changed(path, b"".join(every[:-1])))
    assert "b.ogg has no end-of-stream flag; it may be cut short" in capsys.readouterr().err


def test_an_mp3_whose_bitrate_changes_is_read_whole_without_a_header(tmp_path, capfd):
    """libsndfile takes the bitrate of the first frames for all, and stops or misses some."""
    parts = [write(tmp_path / "part.mp3", "headerless.mp3", noise(3), bit_rate=rate).read_bytes() for rate in (8000, 64_000)]
    for name, content in {"rises": parts[0] + parts[1], "falls": parts[1] + parts[0]}.items():
        path = changed(tmp_path / f"{name}.mp3", content)
        every = audio.read(path)
        assert audio.facts(path).frames == len(every) == pytest.approx(48_000, abs=6000)
    assert not capfd.readouterr().err  # mpg123 writes notes there


def test_what_is_not_a_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "socket"))
        for name, says in {
            "fifo": "fifo is a pipe, not a file",
            "socket": "socket is a socket, not a file",
            "": f"{tmp_path.name} is a folder, not a file",
            "/dev/zero": "/dev/zero is a device, not a file",
            "link": "link is a link to what is not there",
            "loop": "loop cannot be read .too many levels of symbolic links",
            "x" * 300: "cannot be read .file name too long",
            "nowhere": "nowhere is not a file",
        }.items():
            with pytest.raises(UserError, match=says):
                inspect(tmp_path / name)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", "é😀".encode(), b"x" * 240, b"http:a", b"pipe:0", b"%03d", b"-"])
def test_a_name_may_be_any(tmp_path, whole, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("wav", "m4a"):
        path = changed(Path(os.fsdecode(name + b"." + kind.encode())), whole[kind][0])
        assert audio.facts(path).frames == len(audio.read(path)) == whole[kind][1]
