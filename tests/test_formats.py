import hashlib
import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition
from PIL import Image

from unsung import formats
from unsung.audio import to_grid
from unsung.formats import Echo, Encoding, Tags

MARK = Echo("0" * 16, "1" * 16, "2" * 16)
VALUES = {"title": "Ä Song", "artist": "Somebody", "album": "An Album", "genre": "Rock", "date": "2001", "track": "3/9"}
COVERS = ["flac", "mp3", "m4a", "ogg", "opus", "stem.mp4"]


def picture(kind="JPEG"):
    file = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(file, kind)
    return file.getvalue()


NONE = Tags()


def made(folder, form, tags=NONE, rate=8000, channels=1):
    """A second of noise in this format."""
    grid = to_grid(0.1 * np.random.default_rng(0).standard_normal((rate, channels)))
    encoding, raw, path = Encoding(form), folder / "raw.part", folder / f"song{formats.FORMATS[form].ending}"
    with formats.sink(raw, encoding, rate, channels) as sink:
        for block in np.array_split(grid, 3):
            sink.write(block)
    titles = ["mixture", *"abcd"] if form == "stem.mp4" else ()
    formats.finish([raw] * max(1, len(titles)), path, encoding, tags, MARK, titles)
    return path


@pytest.mark.parametrize("form", formats.FORMATS)
def test_tags_are_kept_and_a_comment_of_ours_is_added(tmp_path, form):
    path = made(tmp_path, form, Tags({**VALUES, "comment": "by hand"}))
    found = Tags.of(path).values
    found = {name.lower(): value for name, value in found.items()}
    assert {name: found[name] for name in VALUES} == VALUES
    assert found["comment"].startswith("by hand | unsung 0000")
    echo = formats.echo(path)
    assert (echo.made_with, echo.song, echo.path) == (MARK.made_with, MARK.song, MARK.path)
    assert formats.is_whole(path)


def test_the_frames_of_flac_are_hashed_as_packets_are(tmp_path):
    """So that a file of an earlier version is known as whole."""
    path = made(tmp_path, "flac", Tags(VALUES, picture()), channels=2)
    with path.open("rb") as file:
        packets = hashlib.sha256(b"".join(stream.digest() for stream in formats._streams(file)))
    assert formats.echo(path).packets == packets.hexdigest()[:16]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not formats.is_whole(path)


@pytest.mark.parametrize("form", COVERS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_cover_is_kept(tmp_path, form, kind):
    path = made(tmp_path, form, Tags(VALUES, picture(kind)))
    assert Tags.of(path).cover == picture(kind)
    assert formats.is_whole(path)


def test_tags_of_tags_are_the_same_and_comments_do_not_pile_up(tmp_path):
    first = Tags.of(made(tmp_path, "flac", Tags({**VALUES, "comment": "by hand"}, picture())))
    again = Tags.of(made(tmp_path, "flac", first))
    assert again == first


def test_a_cover_that_is_no_picture_is_left_out(tmp_path):
    assert Tags.of(made(tmp_path, "mp3", Tags(VALUES, b"words"))).cover == b""


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_are_what_they_were(tmp_path, form, channels):
    path = made(tmp_path, form, rate=44_100, channels=channels)
    frames = []
    with av.open(str(path)) as file:
        assert len(file.streams.audio) == (5 if form == "stem.mp4" else 1)
        resampler = av.AudioResampler("fltp")
        for frame in file.decode(audio=0):
            frames += [converted.to_ndarray() for converted in resampler.resample(frame)]
        assert file.streams.audio[0].codec_context.layout.nb_channels == channels
    samples, song = np.concatenate(frames, axis=1), 0.1 * np.random.default_rng(0).standard_normal((44_100, channels))
    if formats.FORMATS[form].lossless:
        np.testing.assert_allclose(samples.T, song, atol=2**-23)
    elif form != "opus":  # which has 48 kHz
        assert 44_100 <= samples.shape[1] < 46_000
        lost = samples.T[:44_100] - song
        assert np.square(lost).sum() < 0.5 * np.square(song).sum()  # noise is the hardest; but it is in time


def test_dj_software_plays_the_first_stream(tmp_path):
    with av.open(str(made(tmp_path, "stem.mp4", Tags(VALUES)))) as file:
        assert [bool(stream.disposition & Disposition.default) for stream in file.streams.audio] == [True] + [False] * 4


@pytest.mark.parametrize(("form", "channels"), [("mp3", 3), ("flac", 9), ("opus", 9), ("stem.mp4", 6)])
def test_more_channels_than_a_format_holds(tmp_path, form, channels):
    with pytest.raises(formats.UserError, match=f"holds at most . channels, the song has {channels}; mix it down first"):
        made(tmp_path, form, channels=channels)


def test_bitrates_are_kept_to(tmp_path):
    grid = to_grid(0.1 * np.random.default_rng(0).standard_normal((5 * 44_100, 2)))
    for form in ("mp3", "m4a", "opus", "ogg"):
        for rate in (96, 192):
            path = tmp_path / f"{form}{rate}"
            with formats.sink(path, Encoding(form, bitrate=rate), 44_100, 2) as sink:
                sink.write(grid)
            assert path.stat().st_size * 8 / 5 / 1000 == pytest.approx(rate, rel=0.35), (form, rate)


@pytest.mark.parametrize("form", formats.FORMATS)
def test_a_full_disk_is_told(tmp_path, form):
    with Path("/dev/full").open("r+b"), pytest.raises((formats.UserError, OSError)):
        whole = made(tmp_path, form).stat().st_size
        _limited(lambda: made(tmp_path, form), whole - 50)


def _limited(function, size):
    import resource
    import signal

    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        function()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)


def test_other_files_have_no_mark(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(100), 8000)
    (tmp_path / "words.flac").write_text("x")
    (tmp_path / "a.html").write_text("<p>x</p>")
    for path in tmp_path.iterdir():
        assert formats.echo(path) is None and not formats.is_whole(path)
