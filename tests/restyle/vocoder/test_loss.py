import torch

from tests.restyle.vocoder.sounds import MEL, SETTINGS, notes, pairs, vocoder
from unsung.restyle.vocoder import loss
from unsung.restyle.vocoder.network import Vocoder


class Oracle(Vocoder):
    """A vocoder that knows the song."""

    def __init__(self, waveform):
        super().__init__(MEL, SETTINGS)
        self.spectrum = MEL.stft.forward(waveform)

    def polar(self, log_mel):
        return self.spectrum.abs(), self.spectrum.angle()


def of(estimate, truth, turns=0):
    return {name: float(value) for name, value in loss.terms(Oracle(estimate), MEL.forward(truth), truth, turns).items()}


def test_the_truth_has_hardly_a_loss_and_a_shifted_phase_little():
    song = notes()[None, : 64 * 200]
    right, turned, other = of(song, song), of(-song, song), of(notes(seed=1)[None, : 64 * 200], song)
    assert all(value < 0.02 for value in right.values())
    torch.testing.assert_close(turned["loss"], right["loss"], atol=1e-3, rtol=0)
    assert all(other[name] > 0.3 for name in ("stft", "mel", "magnitude"))


def test_the_loss_is_the_sum_of_the_terms():
    terms = of(notes(seed=1)[None], notes()[None])
    torch.testing.assert_close(terms["loss"], terms["stft"] + terms["mel"] + terms["magnitude"])


def test_every_weight_has_a_gradient_through_griffin_lim():
    mine = vocoder().train()
    log_mel, song = pairs(1)[0]
    loss.terms(mine, log_mel[None], song[None], 2)["loss"].backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in mine.parameters())
    assert all(weight.grad.isfinite().all() for weight in mine.parameters())


def test_the_ends_do_not_count():
    song = notes()[None]
    other = song.clone()
    other[:, :60] = 0.9
    one, same = of(song, song), of(other, song)
    torch.testing.assert_close(one["mel"], same["mel"], atol=1e-4, rtol=0)
