import torch

from unsung.models.processes.predictive import Predictive


def test_training_and_separating_show_the_mixture_alone():
    a, y = torch.randn(2, 1, 1, 5, 7, dtype=torch.complex64), torch.randn(2, 1, 5, 7, dtype=torch.complex64)
    shown = Predictive().corrupt(a, y, [])
    assert (shown.state, shown.time, shown.goal) == (None, None, None) and shown.mixture is y
    calls = []

    def network(state, mixture, time):
        calls.append((state, mixture, time))
        return torch.full_like(a, 0.25)

    torch.testing.assert_close(Predictive().sample(network, y, 1, []), 0.75 * y[None, :, None])
    assert calls == [(None, y, None)]
