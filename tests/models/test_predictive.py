import torch

from unsung.models import processes


def test_training_and_separating_show_the_mixture_alone():
    a, y = torch.randn(2, 1, 1, 5, 7, dtype=torch.complex64), torch.randn(2, 1, 5, 7, dtype=torch.complex64)
    process = processes.build("predictive", processes.settings("predictive", {}))
    example = process.corrupt(a, y, [])
    assert (example.state, example.time, example.goal) == (None, None, None) and example.mixture is y
    calls = []

    def network(state, mixture, time):
        calls.append((state, mixture, time))
        return torch.full_like(a, 0.25)

    torch.testing.assert_close(process.sample(network, y, 1, []), 0.75 * y[None, :, None])
    assert calls == [(None, y, None)]
