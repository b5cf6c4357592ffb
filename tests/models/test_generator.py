import pytest
import torch

from unsung.devices import generators
from unsung.errors import UserError
from unsung.models import processes


def rngs(count=2, seed=0):
    return generators([(seed, i) for i in range(count)], torch.device("cpu"))


def make(plain_share=0.0, refine=False, **sampling):
    settings = processes.settings("generator", {"plain_share": plain_share, "refine": refine})
    return processes.build("generator", settings.changed(**sampling))


@pytest.fixture
def song():
    torch.manual_seed(0)
    return torch.randn(2, 1, 1, 5, 7, dtype=torch.complex64), torch.randn(2, 1, 5, 7, dtype=torch.complex64)


def following(state, mixture, time):
    """Masks that leave the state."""
    return 1 - state / mixture.unsqueeze(1)


def test_training_shows_each_item_twice_with_other_noise(song):
    a, y = song
    shown = make().corrupt(following, a, y, rngs())
    assert shown.draws == 2 and shown.goal is None
    first, second = shown.state.chunk(2)
    assert first.shape == a.shape and not torch.equal(first, second)
    assert torch.equal(shown.mixture, torch.cat([y, y]))


def test_noise_has_the_magnitude_of_the_mixture_and_silence_stays_silent(song):
    _, y = song
    drawn = make(draws=2000).sample(following, y, 1, rngs())
    torch.testing.assert_close(drawn.abs().square().mean(0).sqrt(), y.abs().unsqueeze(1), rtol=0.15, atol=1e-3)
    silent = make().corrupt(following, torch.zeros_like(y).unsqueeze(1), torch.zeros_like(y), rngs())
    assert not silent.state.any()


def test_as_many_counterfactuals_are_drawn_as_asked_for_each_in_one_call(song):
    _, y = song
    drawn = make(draws=5).sample(following, y, 1, rngs())
    assert drawn.shape == (5, 2, 1, 1, 5, 7)
    assert (drawn.std(0) > 0).all()


def test_an_item_does_not_depend_on_its_neighbours(song):
    _, y = song
    both = make(draws=3).sample(following, y, 1, rngs())
    alone = make(draws=3).sample(following, y[1:], 1, rngs()[1:])
    torch.testing.assert_close(both[:, 1:], alone)


def test_there_is_one_call():
    with pytest.raises(UserError, match="takes one call"):
        make(calls=2)


def test_some_batches_are_shown_once_without_noise(song):
    a, y = song
    shown = [make(plain_share=0.3).corrupt(following, a, y, rngs(seed=seed)) for seed in range(300)]
    plain = [example for example in shown if example.draws == 1]
    assert len(plain) == pytest.approx(90, abs=25)
    assert all(not example.state.any() and not example.time.any() and example.mixture is y for example in plain)
    assert all((example.time == 1).all() for example in shown if example.draws == 2)


def test_the_answer_without_noise_is_one_and_has_to_be_learned(song):
    _, y = song
    found = make(plain_share=0.5, noise=0.0, draws=4).sample(following, y, 1, rngs())
    assert found.shape == (1, 2, 1, 1, 5, 7) and not found.any()  # as its state
    with pytest.raises(UserError, match="plain_share"):
        make(noise=0.0)
    with pytest.raises(UserError, match="plain_share"):
        make(refine=True)


class Refining(torch.nn.Module):
    """Takes half out of the mixture; then nothing but the noise, a tenth of it."""

    def __init__(self):
        super().__init__()
        self.share, self.seen = torch.nn.Parameter(torch.tensor(0.5 + 0j)), []

    def forward(self, state, mixture, time):
        self.seen.append((state, mixture, time))
        x, taken = state.chunk(2, dim=1)
        y = mixture.unsqueeze(1)
        first = (time == 0).view(-1, 1, 1, 1, 1)
        return torch.where(first, self.share * torch.ones_like(y), 0.1 * (x + taken - y) / y)


def test_a_draw_goes_on_from_the_answer_and_its_noise_is_as_strong_as_what_that_took_out(song):
    _, y = song
    network = Refining()
    drawn = make(0.5, refine=True, calls=2, draws=2000).sample(network, y, 1, rngs())
    torch.testing.assert_close(drawn.mean(0), 0.5 * y.unsqueeze(1), atol=2e-2, rtol=2e-2)
    torch.testing.assert_close(drawn.std(0), 0.05 * y.abs().unsqueeze(1), rtol=0.15, atol=1e-3)
    (first, _, time), (noisy, _, later), *_ = network.seen
    assert not time.any() and (later == 1).all()
    assert torch.equal(first, torch.cat([y.unsqueeze(1), torch.zeros_like(y.unsqueeze(1))], dim=1))
    torch.testing.assert_close(noisy[:, 1:], 0.5 * y.unsqueeze(1))
    half = make(0.5, refine=True, calls=2, draws=2000, noise=0.5).sample(network, y, 1, rngs())
    torch.testing.assert_close(half.std(0), 0.5 * drawn.std(0))


def test_one_call_of_a_refining_generator_is_the_answer_without_noise(song):
    _, y = song
    process, network = make(0.5, refine=True, calls=1, draws=5), Refining()
    torch.testing.assert_close(process.sample(network, y, 1, rngs()), 0.5 * y[None, :, None])
    assert len(network.seen) == 1 and process.repeats
    assert make(0.5, refine=True).settings.calls == 2
    with pytest.raises(UserError, match="two with forward.refine"):
        make(0.5, refine=True, calls=3)


def test_in_training_no_gradient_goes_into_the_answer_that_is_refined(song):
    a, y = song
    shown = [make(0.5, refine=True).corrupt(Refining(), a, y, rngs(seed=seed)) for seed in range(20)]
    refining = [example for example in shown if example.draws == 2]
    assert 4 < len(refining) < 16
    for example in refining:
        assert not example.state.requires_grad and not example.base.requires_grad
        torch.testing.assert_close(example.base, 0.5 * torch.cat([y, y]).unsqueeze(1))
    assert all(example.base is None for example in shown if example.draws == 1)
