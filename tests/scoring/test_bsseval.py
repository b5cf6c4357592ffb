"""BSSEval agrees with museval to 1e-6 dB."""

import json
import warnings

import av
import mir_eval
import numpy as np
import pytest
import soundfile

from tests.conftest import SHARED
from unsung.scoring import bsseval
from unsung.scoring.bsseval import BSSEval
from unsung.scoring.scorer import MAX_CONDITION, museval_metrics

RATE, TAPS = 8000, 512
CLOSE = 1e-6  # dB


def museval(references, estimates, window=RATE, taps=TAPS):
    references, estimates = references.astype(np.float64), estimates.astype(np.float64)
    return np.stack(museval_metrics().bss_eval(references, estimates, window=window, hop=window, filters_len=taps)[:4])


def noise(sources, channels, frames, seed=0):
    """Correlated references, and estimates with errors of every kind."""
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((sources, frames, channels)) * rng.uniform(0.1, 1, (sources, 1, channels))
    references[1:] += 0.3 * references[:1]
    estimates = (
        references
        + 0.2 * np.roll(references, 1, axis=0)
        + 0.1 * np.roll(references, 7, axis=1)
        + 0.1 * rng.standard_normal(references.shape)
    )
    return references.astype(np.float32), estimates.astype(np.float32)


@pytest.mark.parametrize("sources", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [3 * RATE + 1234, 2 * RATE - 1, RATE // 2])
def test_it_is_museval(sources, channels, frames):
    references, estimates = noise(sources, channels, frames)
    taps = 64 if sources == 4 else TAPS
    np.testing.assert_allclose(
        BSSEval(references, min(RATE, frames), taps).images(estimates), museval(references, estimates, taps=taps), atol=CLOSE
    )


@pytest.mark.parametrize("window", [700, 701, RATE])  # shorter than two filters; odd; even
@pytest.mark.parametrize("taps", [1, 33, 512])
def test_windows_and_filters_of_any_length(window, taps):
    references, estimates = noise(2, 2, 2 * RATE + 55)
    np.testing.assert_allclose(
        BSSEval(references, window, taps).images(estimates), museval(references, estimates, window, taps), atol=CLOSE
    )


def test_frames_without_a_score_are_the_same():
    references, estimates = noise(2, 2, 8 * RATE)
    references[0, RATE : 3 * RATE] = 0
    references[1, 4 * RATE : 5 * RATE, 1] = -references[1, 4 * RATE : 5 * RATE, 0]  # silence, as museval has it
    estimates[1, 6 * RATE : 7 * RATE] = 0
    mine, his = BSSEval(references, RATE, TAPS).images(estimates), museval(references, estimates)
    assert np.isnan(mine).all(axis=(0, 1)).tolist() == [False, True, True, False, True, False, True, False]
    np.testing.assert_allclose(mine, his, atol=CLOSE)


def test_a_source_that_is_silent_throughout_has_no_scores():
    references, estimates = noise(2, 1, 2 * RATE)
    for silent in ((0 * references, estimates), (references, 0 * estimates)):
        assert np.isnan(BSSEval(silent[0], RATE, 8).images(silent[1])).all()
        assert np.isnan(BSSEval(silent[0], RATE, 8).whole(silent[1])).all()


def test_one_set_of_references_serves_many_estimates():
    references, estimates = noise(2, 2, 3 * RATE)
    shared = BSSEval(references, RATE, 64)
    for seed in (0, 1):
        estimates = noise(2, 2, 3 * RATE, seed)[1]
        np.testing.assert_array_equal(shared.images(estimates), BSSEval(references, RATE, 64).images(estimates))
        np.testing.assert_array_equal(shared.whole(estimates), BSSEval(references, RATE, 64).whole(estimates))


def test_perfect_and_mixed_estimates():
    """Without an error a ratio is infinite; with one source museval has no interference at all."""
    references, _ = noise(2, 1, 2 * RATE)
    mine, his = BSSEval(references, RATE, 32).images(references), museval(references, references, taps=32)
    assert np.isinf(mine[0]).all() and np.isinf(his[0]).all()
    assert (mine[1:] > 150).all() and (his[1:] > 150).all()
    mixture = np.repeat(references.sum(axis=0, keepdims=True), 2, axis=0)
    mine, his = BSSEval(references, RATE, 32).images(mixture), museval(references, mixture, taps=32)
    np.testing.assert_allclose(mine[:3], his[:3], atol=CLOSE)
    assert (mine[3] > 100).all() and (his[3] > 100).all()  # there are no artifacts but rounding's


def test_channels_that_are_the_same_and_channels_without_a_sound():
    """Two equal channels: the least squares have many solutions, all with the same projection."""
    references, estimates = noise(2, 2, 3 * RATE)
    references[0, :, 1] = references[0, :, 0]
    np.testing.assert_allclose(
        BSSEval(references, RATE, 128).images(estimates), museval(references, estimates, taps=128), atol=CLOSE
    )
    references[0, :, 1] = 0
    np.testing.assert_allclose(
        BSSEval(references, RATE, 128).images(estimates), museval(references, estimates, taps=128), atol=CLOSE
    )


def test_only_an_empty_band_is_ill_posed():
    references, _ = noise(2, 2, 3 * RATE)
    middle, left, silent, empty = (references.copy() for _ in range(4))
    middle[0, :, 1] = middle[0, :, 0]
    left[0, :, 1] = 0
    silent[0] = 0
    spectrum = np.fft.rfft(empty, axis=1)
    spectrum[:, spectrum.shape[1] // 2 :] = 0
    empty = np.fft.irfft(spectrum, axis=1, n=3 * RATE)
    for fine in (references, middle, left, silent, 0 * references):
        assert BSSEval(fine, RATE, TAPS).condition < 1e6
    assert BSSEval(empty, RATE, TAPS).condition > 1e12


@pytest.mark.parametrize("frames", [3 * RATE, 2 * RATE + 777, 300])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_tracks_are_musevals_version_3(frames, channels):
    references, estimates = noise(2, channels, frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sdr, _, sir, sar, _ = museval_metrics().bss_eval(
            references.astype(float), estimates.astype(float), window=np.inf, hop=np.inf, filters_len=64, framewise_filters=True,
            bsseval_sources_version=True,
        )  # fmt: skip
    mine = BSSEval(references, min(RATE, frames), 64).whole(estimates)
    np.testing.assert_allclose(mine, np.stack([sdr, sir, sar])[..., 0], atol=CLOSE)


def test_whole_tracks_are_scored_as_mir_eval_does():
    """The literature's BSSEval v3; mir_eval knows one channel only."""
    references, estimates = noise(2, 1, 3 * RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated there, and nowhere else
        expected = mir_eval.separation.bss_eval_sources(
            *(x[..., 0].astype(float) for x in (references, estimates)), compute_permutation=False
        )
    for mine, his in zip(BSSEval(references, RATE, 512).whole(estimates), expected, strict=False):
        np.testing.assert_allclose(mine, his, atol=CLOSE)


@pytest.mark.parametrize("frames", [3 * RATE, 2 * RATE + 777])
def test_quadratic_forms_are_the_energies_of_filtered_signals(frames, monkeypatch):
    references, estimates = noise(2, 2, frames)
    scorer = BSSEval(references, RATE, TAPS)
    assert all(exact.all() for _, exact in map(scorer._quadratic_forms, scorer.fits(estimates)))
    images, whole = scorer.images(estimates), scorer.whole(estimates)
    monkeypatch.setattr(bsseval, "EXACT", 1e300)
    np.testing.assert_allclose(images, scorer.images(estimates), atol=1e-9)
    np.testing.assert_allclose(whole, scorer.whole(estimates), atol=1e-9)


def test_an_error_too_small_for_a_quadratic_form_is_that_of_filtered_signals():
    references, estimates = noise(2, 2, 3 * RATE)
    estimates = references + 1e-6 * (estimates - references)  # about 120 dB
    scorer = BSSEval(references.astype(float), RATE, TAPS)
    assert not any(exact.all() for _, exact in map(scorer._quadratic_forms, scorer.fits(estimates)))
    np.testing.assert_allclose(scorer.images(estimates), museval(references, estimates), atol=1e-4)


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def estimates_of(references):
    """Each source with a little of the next, a little late, and a little noise."""
    rng = np.random.default_rng(0)
    return (
        references
        + 0.2 * np.roll(references, 1, axis=0)
        + 0.1 * np.roll(references, 5, axis=1)
        + 0.003 * rng.standard_normal(references.shape)
    )


@pytest.mark.parametrize("clip", ["Ani_1_01", "bug_5_03"])
def test_real_voices(clip):
    samples, rate = soundfile.read(shared("mir1k", "test", f"{clip}.flac"))
    references = samples.T[::-1, :, None]
    estimates = estimates_of(references)
    estimates[0, rate : 2 * rate] = 0
    np.testing.assert_allclose(BSSEval(references, rate, 512).images(estimates), museval(references, estimates, rate), atol=CLOSE)


def real_song(song, noise=0.0):
    """References of 5 s in stereo, with white noise added to them."""
    folder, rate = shared("everything_is_free", song), 44_100
    stems = [folder / f"{stem}.ogg" for stem in ("vocals", "accompaniment")]
    references = np.stack([soundfile.read(stem, start=70 * rate, frames=5 * rate + 99)[0] for stem in stems])
    return references + noise * np.random.default_rng(1).uniform(-1, 1, references.shape), rate


def another_draw(samples):
    """The same signals but for the last bit."""
    return samples * (1 + np.finfo(float).eps * np.random.default_rng(2).choice([-1, 0, 1], samples.shape))


SONGS = ["Caesium", "Hydrogen"]


@pytest.mark.parametrize("song", SONGS)
def test_real_songs_of_which_a_codec_took_the_top(song):
    """With an empty band, ISR, SIR and SAR depend on rounding, museval's too. SDR does not.

    museval's distance from itself is no tolerance: it varies by a factor of ten between draws
    (docs/experiments.md).
    """
    references, rate = real_song(song)
    estimates = estimates_of(references)
    scorer, expected = BSSEval(references, rate, 512), museval(references, estimates, rate)
    mine = scorer.images(estimates)
    np.testing.assert_allclose(mine[0], expected[0], atol=CLOSE)  # SDR
    assert np.array_equal(np.isnan(mine), np.isnan(expected)) and not np.isinf(mine).any()
    again = museval(another_draw(references), another_draw(estimates), rate)
    assert np.nanmax(np.abs(again - expected)) > CLOSE and scorer.condition > MAX_CONDITION


@pytest.mark.parametrize("song", SONGS)
def test_the_same_songs_with_noise_in_the_empty_band(song):
    """With noise of a 13-bit step every score is museval's, and no song is named ill-posed."""
    references, rate = real_song(song, noise=2**-13)
    estimates = estimates_of(references)
    scorer, expected = BSSEval(references, rate, 512), museval(references, estimates, rate)
    np.testing.assert_allclose(scorer.images(estimates), expected, atol=CLOSE)
    again = museval(another_draw(references), another_draw(estimates), rate)
    assert np.nanmax(np.abs(again - expected)) < CLOSE and scorer.condition < MAX_CONDITION


def test_a_real_song_of_four_sources_in_full_band():
    """The excerpt of MUSDB18, with noise of a 16-bit step in the band that its codec left empty."""
    path = shared("musdb18_excerpts", "Music Delta - 80s Rock.stem.mp4")
    references = np.stack([read_stem(path, number) for number in range(1, 5)])[:, : 3 * 44_100]
    references += np.random.default_rng(1).uniform(-1, 1, references.shape) / 2**15
    estimates = estimates_of(references)
    np.testing.assert_allclose(
        BSSEval(references, 44_100, 128).images(estimates), museval(references, estimates, 44_100, 128), atol=CLOSE
    )


def test_the_scores_that_musevals_own_test_expects():
    """An excerpt of MUSDB18, and the estimates and the JSON of museval's own regression test."""
    path = shared("musdb18_excerpts", "Music Delta - 80s Rock.json")
    stems = [read_stem(path.with_suffix(".stem.mp4"), number) for number in range(5)]  # mixture drums bass other vocals
    references = np.stack([stems[4], stems[1] + stems[2] + stems[3]])
    rng = np.random.RandomState(0)
    estimates = np.stack([rng.random_sample(stems[0].shape) for _ in references])
    mine = dict(zip(("vocals", "accompaniment"), BSSEval(references, 44_100, 512).images(estimates).swapaxes(0, 1), strict=True))
    for target in json.loads(path.read_text())["targets"]:
        for measure, values in zip(("SDR", "ISR", "SIR", "SAR"), mine[target["name"]], strict=True):
            expected = [frame["metrics"][measure] for frame in target["frames"]]
            np.testing.assert_allclose(values, expected, atol=0.1)  # ISR differs by 0.05: another AAC decoder


def read_stem(path, number):
    """One stream of a stem file as 16 bit, as stempeg reads it."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16p")
        frames = [f.to_ndarray().T for frame in container.decode(audio=number) for f in resampler.resample(frame)]
    return np.concatenate(frames) / 2**15
