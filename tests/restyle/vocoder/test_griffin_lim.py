import librosa
import numpy as np
import pytest
import torch

from tests.restyle.vocoder.sounds import MEL, notes
from unsung.restyle.vocoder.griffin_lim import consistent, correction, griffin_lim, magnitudes, random_phase, reach, scaled_filters
from unsung.spectrum import Stft


def inconsistency(magnitude, waveform, stft):
    return float((stft.forward(waveform).abs() - magnitude).norm() / magnitude.norm())


@pytest.mark.parametrize("turns, momentum", [(1, 0.0), (8, 0.0), (8, 0.5)])
def test_it_is_librosas_griffin_lim_from_the_same_phase(turns, momentum):
    stft, phase = MEL.stft, random_phase(MEL.stft.freqs, 0, 32, 0)
    magnitude = stft.forward(notes()[: 31 * 64]).abs()
    ours = stft.forward(consistent(magnitude, phase, stft, turns, momentum)).numpy()
    theirs = _librosas(magnitude.numpy(), phase.numpy(), turns, momentum)
    np.testing.assert_allclose(ours, theirs, atol=1e-2 * np.abs(theirs).max())


def _librosas(magnitude, phase, turns, momentum):
    """The loop of Perraudin et al. with librosa's transforms."""
    options = {"hop_length": 64, "n_fft": 256, "center": True}
    estimate, before = magnitude * np.exp(1j * phase), None
    for _ in range(turns):
        now = librosa.stft(librosa.istft(estimate, **options, length=31 * 64), **options, pad_mode="constant")
        ahead = now if before is None else now + momentum * (now - before)
        estimate, before = magnitude * ahead / (np.abs(ahead) + 1e-12), now
    return librosa.stft(librosa.istft(estimate, **options, length=31 * 64), **options, pad_mode="constant")


def test_turns_help_and_momentum_helps_more():
    stft, magnitude = MEL.stft, MEL.stft.forward(notes()).abs()
    phase = random_phase(stft.freqs, 0, magnitude.shape[-1], 0)
    ends = [(0, 0.99), (8, 0.99), (32, 0.99), (32, 0.0)]
    none, few, many, plain = (inconsistency(magnitude, consistent(magnitude, phase, stft, *end), stft) for end in ends)
    assert many < few < none and many < plain < none


def test_the_true_phase_is_a_fixed_point():
    song = notes()
    spectrum = MEL.stft.forward(song)
    found = consistent(spectrum.abs(), spectrum.angle(), MEL.stft, 5)
    torch.testing.assert_close(found, song[: len(found)], atol=1e-4, rtol=0)


def test_magnitudes_fit_the_log_mels_better_with_every_update():
    log_mel = MEL.forward(notes())
    errors = [
        float((MEL.of_magnitude(magnitudes(log_mel, MEL, turns)).exp() - log_mel.exp()).abs().mean()) for turns in (0, 2, 10, 50)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < errors[0] / 4
    assert (magnitudes(log_mel, MEL) >= 0).all()


def test_true_magnitudes_need_no_correction():
    magnitude = MEL.stft.forward(notes()).abs()
    filters = scaled_filters(MEL)
    factors = correction(magnitude, (filters @ magnitude).log(), filters)
    torch.testing.assert_close(factors, torch.ones_like(factors), atol=1e-3, rtol=0)


def test_the_same_seed_gives_the_same_bytes_also_in_a_batch():
    log_mel = MEL.forward(notes())
    one, again, other = (griffin_lim(log_mel, MEL, 4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    both = griffin_lim(torch.stack([log_mel, log_mel]), MEL, 4, seed=1)
    torch.testing.assert_close(both, torch.stack([one, one]), atol=1e-6, rtol=0)
    assert one.shape == ((log_mel.shape[-1] - 1) * MEL.hop_length,)


def test_a_part_of_a_song_has_the_phases_of_the_whole():
    assert torch.equal(random_phase(9, 0, 20, 3)[:, 5:12], random_phase(9, 5, 7, 3))


@pytest.mark.parametrize("stft, turns", [(Stft(256, 64), 3), (Stft(256, 100), 2), (Stft(128, 32), 0)])
def test_what_is_farther_than_reach_does_not_matter(stft, turns):
    torch.manual_seed(0)
    frames, middle = 60, 30
    magnitude, phase = torch.rand(stft.freqs, frames), random_phase(stft.freqs, 0, frames, 0)
    beyond = reach(stft, turns)
    changed = magnitude.clone()
    changed[:, : middle - beyond] += 1
    here = slice(middle * stft.hop_length, None)
    before, after = (consistent(one, phase, stft, turns)[here] for one in (magnitude, changed))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    changed[:, middle] += 1
    assert not torch.allclose(consistent(changed, phase, stft, turns)[here], before, atol=1e-2)


def test_silence_gives_silence():
    assert griffin_lim(MEL.forward(torch.zeros(2000)), MEL, 8).abs().max() < 1e-4
