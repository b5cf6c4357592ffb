from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr

from tests.conftest import changed, song, write_song
from unsung import audio
from unsung.data.stems import prepare
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError

RATE = 16_000


def recording_of(folder, split="train", extension="wav"):
    return Recording.of_files(folder.name, split, {path.stem: path for path in sorted(folder.glob(f"*.{extension}"))})


@pytest.fixture
def stems():
    return song(0, 3.0, RATE)


def test_stems_are_resampled_and_mixed_down(tmp_path, stems, params):
    track, remarks = prepare(recording_of(write_song(tmp_path / "raw", stems, RATE)), tmp_path / "out", params.audio)
    assert not remarks
    for name, path in track.stems.items():
        expected = soxr.resample(stems[name].mean(1), RATE, 8000, quality="HQ")
        assert audio.facts(path) == audio.Facts(8000, 1, 24_000)
        np.testing.assert_allclose(audio.read(path)[:, 0], expected, atol=2 / 2**15)


def test_stems_still_add_up_to_the_mixture(tmp_path, stems, params):
    folder = write_song(tmp_path / "raw", {**stems, "mixture": sum(stems.values())}, RATE)
    track, _ = prepare(recording_of(folder, split="test"), tmp_path / "out", params.audio)
    found = {name: audio.read(path) for name, path in track.stems.items()}
    np.testing.assert_allclose(
        sum(found[name] for name in stems), found["mixture"], atol=6 / 2**15
    )  # five roundings before, five after


def test_the_mixture_is_kept_for_testing_only(tmp_path, stems, params):
    folder = write_song(tmp_path / "raw", {**stems, "mixture": sum(stems.values())}, RATE)
    assert "mixture" not in prepare(recording_of(folder), tmp_path / "out", params.audio)[0].stems


def test_the_accompaniment_is_what_the_vocals_leave_of_the_mixture(tmp_path, stems, params):
    rest = sum(stems.values()) - stems["vocals"]
    folder = write_song(tmp_path / "raw", {"vocals": stems["vocals"], "mixture": sum(stems.values())}, RATE)
    track, _ = prepare(recording_of(folder), tmp_path / "out", params.audio)
    assert set(track.stems) == {"vocals", "accompaniment"}
    expected = soxr.resample(rest.mean(1), RATE, 8000, quality="HQ")
    np.testing.assert_allclose(audio.read(track.stems["accompaniment"])[:, 0], expected, atol=3 / 2**15)


def test_a_mono_stem_and_a_short_one_are_mended_and_told(tmp_path, stems, params):
    stems["bass"], stems["drums"] = stems["bass"][:, :1], stems["drums"][:-800]
    track, remarks = prepare(recording_of(write_song(tmp_path / "raw", stems, RATE)), tmp_path / "out", params.audio)
    assert {audio.facts(path).frames for path in track.stems.values()} == {24_000}
    assert any("drums.wav filled up with 50.0 ms" in remark for remark in remarks)
    assert any("of 1 and 2 channels" in remark for remark in remarks)


def test_what_is_too_loud_is_turned_down_together(tmp_path, stems, params):
    stems = {name: 0.9 * samples / np.abs(samples).max() for name, samples in stems.items()}
    stems["vocals"] = (1.5 * stems["vocals"]).astype(np.float32)
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, subtype="FLOAT")
    track, remarks = prepare(recording_of(folder), tmp_path / "out", params.audio)
    found = {name: audio.read(path) for name, path in track.stems.items()}
    assert "turned down by" in remarks[0]
    together = sum(found.values())
    peaks = [np.abs(x).max() for samples in found.values() for x in (samples, together, together - samples)]
    assert max(peaks) == pytest.approx(0.999, abs=2e-3)
    loudness = {name: np.square(samples).sum() / np.square(stems[name]).sum() for name, samples in found.items()}
    assert loudness["vocals"] == pytest.approx(loudness["other"], rel=0.02)


def test_stems_that_fit_alone_and_not_together_are_turned_down(tmp_path, stems, params):
    loud = {name: 0.95 * samples / np.abs(samples).max() for name, samples in stems.items()}
    track, remarks = prepare(recording_of(write_song(tmp_path / "raw", loud, RATE)), tmp_path / "out", params.audio)
    found = {name: audio.read(path) for name, path in track.stems.items()}
    assert "turned down by" in remarks[0]
    assert np.abs(sum(found.values())).max() < 1
    assert np.abs(sum(found.values()) - found["vocals"]).max() < 1


def test_silence_stays_silent(tmp_path, stems, params):
    stems["vocals"][:] = 0
    track, _ = prepare(recording_of(write_song(tmp_path / "raw", stems, RATE)), tmp_path / "out", params.audio)
    assert not audio.read(track.stems["vocals"]).any()


def test_another_sample_rate_is_an_error_that_names_the_file(tmp_path, stems, params):
    folder = write_song(tmp_path / "Artist - Song", stems, RATE)
    soundfile.write(folder / "vocals.wav", stems["vocals"], 22_050)
    with pytest.raises(UserError, match=r'"Artist - Song" cannot be used: vocals.wav has 22050 Hz, the others have 16000 Hz; mend'):
        prepare(recording_of(folder), tmp_path / "out", params.audio)


def test_a_stem_that_ends_long_before_the_others_is_an_error(tmp_path, stems, params):
    stems["vocals"] = stems["vocals"][:RATE]
    folder = write_song(tmp_path / "raw", stems, RATE)
    with pytest.raises(UserError, match="vocals.wav ends 2.00 s before the others"):
        prepare(recording_of(folder), tmp_path / "out", params.audio)


def test_an_empty_stem_is_an_error(tmp_path, stems, params):
    stems["bass"] = stems["bass"][:0]
    with pytest.raises(UserError, match="bass.wav is empty"):
        prepare(recording_of(write_song(tmp_path / "raw", stems, RATE)), tmp_path / "out", params.audio)


def test_stereo_stays_stereo(tmp_path, stems, params):
    wanted = changed(params, audio__channels=2, audio__sample_rate=RATE).audio
    stems["other"][:, 1] *= 0.5
    track, _ = prepare(recording_of(write_song(tmp_path / "raw", stems, RATE)), tmp_path / "out", wanted)
    np.testing.assert_allclose(audio.read(track.stems["other"]), stems["other"], atol=2 / 2**15)


def test_a_stem_may_be_several_files_a_channel_or_silence(tmp_path, stems, params):
    wanted = changed(params, audio__sample_rate=RATE).audio
    folder = write_song(tmp_path / "raw", {name: stems[name] for name in ("drums", "bass")}, RATE)
    karaoke = np.stack([stems["other"][:, 0], stems["vocals"][:, 0]], axis=1)
    soundfile.write(folder / "karaoke.wav", karaoke, RATE)
    sources = {
        "band": (Source(folder / "drums.wav"), Source(folder / "bass.wav"), Source(folder / "karaoke.wav", channel=0)),
        "vocals": (Source(folder / "karaoke.wav", channel=1),),
        "piano": (),
    }
    track, _ = prepare(Recording("Song", "train", sources), tmp_path / "out", wanted)
    found = {name: audio.read(path)[:, 0] for name, path in track.stems.items()}
    band = sum(stems[name][:, 0] for name in ("drums", "bass", "other"))
    np.testing.assert_allclose(found["band"], band, atol=3 / 2**15)
    np.testing.assert_allclose(found["vocals"], stems["vocals"][:, 0], atol=2 / 2**15)
    assert len(found["piano"]) == len(band) and not found["piano"].any()


def test_a_mixture_that_is_not_needed_is_not_read(tmp_path, stems, params):
    folder = write_song(tmp_path / "raw", stems, RATE)
    soundfile.write(folder / "mixture.wav", np.full((3 * RATE, 2), np.nan, np.float32), RATE, subtype="FLOAT")
    track, _ = prepare(recording_of(folder), tmp_path / "out", params.audio)  # NaN in what is read would be an error
    assert set(track.stems) == set(stems)
    with pytest.raises(UserError, match="mixture.wav has NaN"):
        prepare(recording_of(folder, split="test"), tmp_path / "out", params.audio)


def test_an_empty_file_of_a_ragged_recording_is_silence(tmp_path, stems, params):
    stems["bass"] = stems["bass"][:0]
    recording = replace(recording_of(write_song(tmp_path / "raw", stems, RATE)), ragged=True)
    track, remarks = prepare(recording, tmp_path / "out", params.audio)
    assert not audio.read(track.stems["bass"]).any() and any("bass.wav filled up with 3000.0 ms" in remark for remark in remarks)


def test_a_recording_without_files_is_an_error(tmp_path, params):
    with pytest.raises(UserError, match='"Song" cannot be used: it has no files'):
        prepare(Recording("Song", "train", {"vocals": (), "other": ()}), tmp_path, params.audio)


@pytest.mark.parametrize(
    ("extension", "says"), [("wav", "is cut short"), ("flac", "cannot be read to its end"), ("ogg", "is cut short")]
)
def test_all_stems_cut_alike_are_told(tmp_path, stems, params, extension, says):
    folder = write_song(tmp_path / "raw", stems, RATE, extension)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=says):
        prepare(recording_of(folder, extension=extension), tmp_path / "out", params.audio)


@pytest.mark.parametrize("seconds", [2.0, 4.0])
def test_known_facts_hide_no_change(tmp_path, stems, params, seconds):
    folder = write_song(tmp_path / "raw", stems, RATE)
    recording = recording_of(folder)
    known = {stem: (replace(source, known=source.facts()),) for stem, (source,) in recording.stems.items()}
    write_song(folder, song(0, seconds, RATE), RATE)
    with pytest.raises(UserError, match=rf"has {seconds} s, it had 3\.0 s when it was listed; run the stage download again"):
        prepare(replace(recording, stems=known), tmp_path / "out", params.audio)
