import pytest
import torch

from unsung.devices import generators
from unsung.errors import UserError
from unsung.models import processes


def rngs(count=2, seed=0):
    return generators([(seed, i) for i in range(count)], torch.device("cpu"))


def make(calls=None, **forward):
    settings = processes.settings("predictive", forward)
    return processes.build("predictive", settings.changed(calls=calls) if calls else settings)


@pytest.fixture
def song():
    torch.manual_seed(0)
    return torch.randn(2, 1, 1, 5, 7, dtype=torch.complex64), torch.randn(2, 1, 5, 7, dtype=torch.complex64)


class Halving(torch.nn.Module):
    """Takes out all but half of its state, or of the mixture where there is none."""

    def __init__(self):
        super().__init__()
        self.share, self.seen = torch.nn.Parameter(torch.tensor(0.5 + 0j)), []

    def forward(self, state, mixture, time):
        self.seen.append((state, mixture, time))
        return 1 - self.share * (mixture.unsqueeze(1) if state is None else state) / mixture.unsqueeze(1)


def test_training_and_separating_show_the_mixture_alone(song):
    a, y = song
    process, network = make(), Halving()
    example = process.corrupt(network, a, y, [])
    assert (example.state, example.time, example.goal) == (None, None, None) and example.mixture is y
    assert not network.seen and not process.states and not process.repeats
    torch.testing.assert_close(process.sample(network, y, 1, []), 0.5 * y[None, :, None])
    assert network.seen == [(None, y, None)]


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_a_round_goes_on_from_the_answer_of_the_last(song, calls):
    _, y = song
    network = Halving()
    found = make(calls, rounds=4).sample(network, y, 1, rngs())
    torch.testing.assert_close(found, 0.5**calls * y[None, :, None])
    assert [float(time[0]) for _, _, time in network.seen] == [1, 0, 0, 0][:calls]
    assert torch.equal(network.seen[0][0], y.unsqueeze(1))


def test_a_model_with_rounds_takes_all_of_them_unless_told_otherwise():
    assert make(rounds=3).settings.calls == 3
    assert make().settings.calls == 1


def test_training_shows_each_number_of_rounds_alike(song):
    a, y = song
    network = Halving()
    powers = [make(rounds=3).corrupt(network, a, y, rngs(seed=seed)).state for seed in range(300)]
    shares = [round(float((state / y.unsqueeze(1)).abs().mean()), 3) for state in powers]
    assert {share: shares.count(share) for share in set(shares)} == pytest.approx({1.0: 100, 0.5: 100, 0.25: 100}, abs=25)


@pytest.mark.parametrize("gradient", ["last", "all"])
def test_the_gradient_goes_through_the_last_round_or_through_all(song, gradient):
    a, y = song
    states = [make(rounds=2, gradient=gradient).corrupt(Halving(), a, y, rngs(seed=seed)).state for seed in range(10)]
    after_one = [state for state in states if not torch.equal(state, y.unsqueeze(1))]
    assert after_one and all(state.requires_grad == (gradient == "all") for state in after_one)


def test_calls_without_rounds_are_refused():
    with pytest.raises(UserError, match="takes one call"):
        make(calls=2)
