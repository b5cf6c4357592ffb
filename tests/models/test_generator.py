import pytest
import torch

from unsung.devices import generators
from unsung.errors import UserError
from unsung.models import processes


def rngs(count=2, seed=0):
    return generators([(seed, i) for i in range(count)], torch.device("cpu"))


def make(plain_share=0.0, **sampling):
    return processes.build("generator", processes.settings("generator", {"plain_share": plain_share}).changed(**sampling))


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
    with pytest.raises(UserError):
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
    process = make(plain_share=0.5, noisy=False, draws=4)
    seen = []

    def network(state, mixture, time):
        seen.append((state, time))
        return torch.zeros_like(state)

    assert process.sample(network, y, 1, rngs()).shape == (1, 2, 1, 1, 5, 7)
    [(state, time)] = seen
    assert not state.any() and not time.any()
    with pytest.raises(UserError, match="plain_share"):
        make(noisy=False)
