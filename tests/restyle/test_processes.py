import pytest
import torch

from unsung.devices import generators
from unsung.restyle.processes import Bridge, Ddpm, Predictive, has_state

CPU = torch.device("cpu")
BRIDGE = Bridge(sigma=0.3, start_share=0.5, calls=4)
DDPM = Ddpm(timesteps=100, start=1.0, calls=10)
PROCESSES = [Predictive(), BRIDGE, DDPM, Ddpm(timesteps=100, start=0.5, calls=7)]


def rngs(count=2):
    return generators([(0, number) for number in range(count)], CPU)


def songs():
    torch.manual_seed(1)
    return torch.randn(2, 8, 30), torch.randn(2, 8, 30)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_network_that_knows_the_answer_is_believed(process):
    a, y = songs()
    times = []

    def predict(state, time):
        times.append(time)
        assert (state is not None) == (time is not None) == has_state(process)
        return a

    torch.testing.assert_close(process.sample(predict, y, rngs()), a, atol=1e-4, rtol=1e-4)
    assert len(times) == getattr(process, "calls", 1)
    falling = [float(time[0]) for time in times if time is not None]
    assert falling == sorted(falling, reverse=True) and all(0 <= time <= 1 for time in falling)


@pytest.mark.parametrize("process", PROCESSES[1:])
def test_states_follow_from_the_generators_alone(process):
    a, y = songs()
    first, again = process.corrupt(a, y, rngs()), process.corrupt(a, y, rngs())
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    alone = process.corrupt(a[:1], y[:1], rngs(1))
    assert torch.equal(alone[0], first[0][:1])


def test_a_bridge_is_the_song_at_one_and_the_answer_at_zero():
    a, y = torch.zeros(400, 1, 1), torch.ones(400, 1, 1)
    state, time = Bridge(sigma=0.0, start_share=0.25, calls=1).corrupt(a, y, rngs(400))
    torch.testing.assert_close(state[:, 0, 0], time)
    assert 60 < int((time == 1).sum()) < 140


def test_noise_of_a_bridge_vanishes_at_its_start():
    a, y = songs()
    state, time = Bridge(sigma=1.0, start_share=1.0, calls=1).corrupt(a, y, rngs())
    assert torch.equal(state, y) and (time == 1).all()


def test_late_states_of_ddpm_are_noise_and_early_ones_the_answer():
    a = torch.full((500, 1, 1), 3.0)
    state, time = DDPM.corrupt(a, a, rngs(500))
    late, early = state[time > 0.95].flatten(), state[time < 0.05].flatten()
    assert abs(float(late.mean())) < 1.0 and float(late.std()) > 0.8
    assert abs(float(early.mean()) - 3) < 0.2


def test_ddpm_that_starts_late_keeps_the_song_where_the_network_says_nothing():
    """A network that gives back its state: with little noise what comes out is near the song."""
    _, y = songs()
    found = Ddpm(timesteps=100, start=0.1, calls=3).sample(lambda state, time: state, y, rngs())
    assert float((found - y).abs().mean()) < 0.25


def test_ddpm_needs_as_many_timesteps_as_calls():
    with pytest.raises(ValueError, match="must not exceed start x timesteps"):
        Ddpm(timesteps=10, start=0.5, calls=6)
