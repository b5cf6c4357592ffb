import pytest
import torch

from unsung.devices import generators
from unsung.models import processes
from unsung.models.processes import bridge


def rngs(count=2, seed=0):
    return generators([(seed, i) for i in range(count)], torch.device("cpu"))


def make(sigma=0.5, start_share=0.5, own_answers=0.0, rest=False, **sampling):
    forward = {"sigma": sigma, "start_share": start_share, "own_answers": own_answers, "rest": rest}
    settings = processes.settings("bridge", forward)
    return processes.build("bridge", settings.changed(**sampling))


def unasked(state, mixture, time):
    raise AssertionError("the network is not needed for this")


@pytest.fixture
def song():
    torch.manual_seed(0)
    a = torch.randn(2, 1, 1, 9, 11, dtype=torch.complex64)
    return a, a[:, 0] + torch.randn(2, 1, 9, 11, dtype=torch.complex64)


def test_ends_are_the_counterfactual_and_the_mixture(song):
    a, y = song
    torch.testing.assert_close(bridge.marginal(a, y, torch.zeros(2), 0.5, rngs()), a)
    torch.testing.assert_close(bridge.marginal(a, y, torch.ones(2), 0.5, rngs()), y.unsqueeze(1))


def test_the_marginal_has_the_mean_and_the_spread_of_the_closed_form(song):
    a, y = song
    t = torch.tensor([0.3, 0.7])
    draws = torch.stack([bridge.marginal(a, y, t, 0.5, rngs(seed=seed)) for seed in range(2000)])
    weight = t.view(-1, 1, 1, 1, 1)
    mean = (1 - weight) * a + weight * y.unsqueeze(1)
    spread = 0.5 * (weight * (1 - weight)).sqrt() * y.abs().unsqueeze(1)
    assert ((draws.mean(0) - mean).abs() / spread).mean() < 0.05
    torch.testing.assert_close((draws - mean).abs().square().mean(0).sqrt(), spread, rtol=0.1, atol=1e-3)


def test_a_step_from_the_marginal_is_the_marginal_again(song):
    """Chapman-Kolmogorov: x(t) drawn and then stepped to s has the mean and the spread of x(s)."""
    a, y = song
    t, s = 0.8, 0.3
    draws = []
    for seed in range(2000):
        x = bridge.marginal(a, y, torch.full((2,), t), 0.5, rngs(seed=seed))
        draws.append(bridge.step(x, a, y, (t, s), 0.5, rngs(seed=seed + 10_000)))
    found = torch.stack(draws)
    spread = 0.5 * (s * (1 - s)) ** 0.5 * y.abs().unsqueeze(1)
    assert ((found.mean(0) - ((1 - s) * a + s * y.unsqueeze(1))).abs() / spread).mean() < 0.05
    torch.testing.assert_close(found.std(0), spread, rtol=0.1, atol=1e-3)


@pytest.mark.parametrize("calls", [1, 2, 7])
def test_a_perfect_network_is_followed_exactly(song, calls):
    a, y = song
    found = bridge.sample(lambda x, y, t: a, y, targets=1, calls=calls, sigma=0.5, rngs=rngs())
    torch.testing.assert_close(found, a)


def test_the_network_sees_falling_times_from_one(song):
    a, y = song
    seen = []

    def network(x, y, t):
        seen.append(t.tolist())
        return a

    bridge.sample(network, y, targets=1, calls=4, sigma=0.5, rngs=rngs())
    assert seen == [[t, t] for t in (1.0, 0.75, 0.5, 0.25)]


def test_silence_stays_silent(song):
    a, y = song
    y = torch.zeros_like(y)
    assert not bridge.shaped_noise(a, y, rngs()).any()


def test_an_item_does_not_depend_on_its_neighbours(song):
    a, y = song
    both = bridge.shaped_noise(a, y, rngs())
    alone = bridge.shaped_noise(a[1:], y[1:], rngs()[1:])
    assert torch.equal(both[1:], alone)


def test_the_share_of_times_at_the_start_is_the_one_asked_for():
    times = bridge.draw_times(0.4, rngs(2000))
    assert (times == 1).float().mean() == pytest.approx(0.4, abs=0.04)
    rest = times[times < 1]
    assert rest.min() < 0.01 and rest.mean() == pytest.approx(0.5, abs=0.03)


@pytest.fixture
def network(song):
    """Masks that depend on state and time, and a count of the calls."""
    calls = []

    def found(state, mixture, time):
        calls.append(float(time[0]))
        return 0.5 + 0.1 * state.abs().tanh() + 0j * mixture.unsqueeze(1)

    found.calls = calls
    return found


def test_as_many_samples_are_drawn_as_differ(song, network):
    _, y = song
    process = make(calls=3)
    alone = torch.cat([process.sample(network, y, 1, rngs(seed=seed)) for seed in range(200)])
    together = make(calls=3, draws=200).sample(network, y, 1, rngs())
    assert together.shape == alone.shape
    assert alone.std(0).mean() > 0.01
    assert (together.mean(0) - alone.mean(0)).abs().mean() < 0.2 * alone.std(0).mean()
    network.calls.clear()
    assert len(make(calls=1, draws=10).sample(network, y, 1, rngs())) == 1
    assert network.calls == [1.0]  # one call begins without noise: ten would be the same


def test_deterministic_sampling_does_not_look_at_the_seed(song, network):
    _, y = song
    process = make(calls=4, deterministic=True)
    assert torch.equal(*[process.sample(network, y, 1, rngs(seed=seed)) for seed in range(2)])
    assert not torch.equal(*[make(calls=4).sample(network, y, 1, rngs(seed=seed)) for seed in range(2)])


def test_training_shows_the_marginal_and_its_time(song):
    a, y = song
    shown = make(start_share=0.0).corrupt(unasked, a, y, rngs())
    assert shown.mixture is y and shown.goal is None and shown.state.shape == a.shape
    assert (shown.time >= 0).all() and (shown.time < 1).all()


class Half(torch.nn.Module):
    """Takes half of the mixture out, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.share, self.seen = torch.nn.Parameter(torch.tensor(0.5 + 0j)), []

    def forward(self, state, mixture, time):
        self.seen.append((state, mixture, time))
        return self.share * torch.ones_like(mixture).unsqueeze(1)


def test_own_answers_stand_for_the_truth_in_the_state_and_no_gradient_goes_into_them(song):
    a, y = song
    network = Half()
    process = make(sigma=0.0, start_share=0.0, own_answers=1.0)
    shown = process.corrupt(network, a, y, rngs())
    t = shown.time.view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(shown.state, (1 - t) * 0.5 * y.unsqueeze(1) + t * y.unsqueeze(1))
    assert not shown.state.requires_grad
    [(state, mixture, time)] = network.seen
    assert torch.equal(state, y.unsqueeze(1)) and torch.equal(mixture, y) and (time == 1).all()


def test_own_answers_are_as_frequent_as_asked_for_and_not_made_where_they_would_not_be_seen(song):
    a, y = (part[:1].expand(400, *part.shape[1:]) for part in song)
    network = Half()
    make(start_share=0.5, own_answers=0.5).corrupt(network, a, y, rngs(400))
    assert len(network.seen[0][1]) == pytest.approx(100, abs=30)
    network.seen.clear()
    make(start_share=1.0, own_answers=1.0).corrupt(network, a, y, rngs(400))
    assert not network.seen


def test_without_own_answers_the_draws_are_those_of_a_bridge_that_has_none(song):
    a, y = song
    shown = make(start_share=0.3).corrupt(unasked, a, y, rngs())
    drawn = rngs()
    t = bridge.draw_times(0.3, drawn)
    assert torch.equal(shown.time, t)
    assert torch.equal(shown.state, bridge.marginal(a, y, t, 0.5, drawn))


def test_the_rest_is_shown_in_training_and_in_sampling(song):
    a, y = song
    process, network = make(start_share=0.0, own_answers=1.0, rest=True, calls=3), Half()
    assert process.states == 2
    shown = process.corrupt(network, a, y, rngs())
    process.sample(network, y, 1, rngs())
    for state in (shown.state, *(state for state, _, _ in network.seen)):
        x, rest = state.chunk(2, dim=1)
        torch.testing.assert_close(x + rest, y.unsqueeze(1))
