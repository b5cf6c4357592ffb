"""What every network must do, small; what only one of them does is in a file of its own."""

import pytest
import torch

from unsung.config.registry import NETWORKS
from unsung.models import networks
from unsung.models.networks import Shape

SMALL = {
    "band_split": {"dim": 8, "blocks": 1, "bands": 6, "exponent": 0.5},
    "unet": {"widths": (8, 12, 16), "blocks": 1, "exponent": 0.5},
    "tfswa_unet": {
        "dims": (8, 16),
        "depths": (2, 2),
        "heads": (2, 4),
        "window": 4,
        "patch": 2,
        "exponent": 0.5,
    },
    "crnn": {"widths": (4, 6, 8, 8), "hidden_size": 16, "layers": 2, "exponent": 0.5},
}


KINDS = {  # of networks: each is made and tested as the others
    **{name: (name, {}) for name in SMALL},
    "band_split, attention": ("band_split", {"recurrence": "attention"}),
    "band_split, attention over bands": ("band_split", {"recurrence": "attention_over_bands"}),
}


def make(name, targets=1, channels=1, state=True, freqs=65, mask="complex", **changes):
    torch.manual_seed(0)
    name, kind = KINDS[name]
    settings = networks.settings(name, {**SMALL[name], "mask": mask, "gradient_checkpointing": False, **kind, **changes})
    return networks.build(name, Shape(targets, channels, freqs, 8000, state), settings)


def inputs(batch=2, targets=1, channels=1, freqs=65, frames=21):
    rng = torch.Generator().manual_seed(1)
    state = torch.randn(batch, targets, channels, freqs, frames, dtype=torch.complex64, generator=rng)
    mixture = torch.randn(batch, channels, freqs, frames, dtype=torch.complex64, generator=rng)
    return state, mixture, torch.rand(batch, generator=rng)


@pytest.fixture(params=list(KINDS))
def name(request):
    return request.param


def test_every_network_is_tested():
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("targets", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("has_state", [True, False])
def test_masks_have_the_shape_of_the_stems(name, targets, channels, has_state):
    state, mixture, time = inputs(2, targets, channels)
    network = make(name, targets, channels, has_state)
    masks = network(state, mixture, time) if has_state else network(None, mixture, None)
    assert masks.shape == state.shape and masks.dtype == torch.complex64 and masks.isfinite().all()


@pytest.mark.parametrize(("freqs", "frames"), [(65, 1), (33, 2), (129, 50), (40, 7), (513, 3)])
def test_any_size_goes_in(name, freqs, frames):
    state, mixture, time = inputs(1, freqs=freqs, frames=frames)
    assert make(name, freqs=freqs)(state, mixture, time).shape == state.shape


def test_a_magnitude_mask_is_a_share_that_keeps_the_phase(name):
    state, mixture, time = inputs()
    masks = make(name, mask="magnitude")(state, mixture, time)
    assert not masks.imag.any() and (masks.real >= 0).all() and (masks.real <= 1).all() and masks.real.std() > 0


def test_every_weight_learns(name):
    """Some begin at zero and let nothing through at first: a step is made before looking."""
    network, optimizer = make(name), None
    for _ in range(2):
        optimizer = optimizer or torch.optim.Adam(network.parameters(), 1e-2)
        optimizer.zero_grad()
        network(*inputs()).abs().square().sum().backward()
        optimizer.step()
    assert not [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]


def test_a_network_learns_to_tell_high_from_low(name):
    """The stem is the lower half of noise: after a few steps most of it is found."""
    network = make(name, state=False)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for seed in range(60):
        rng = torch.Generator().manual_seed(seed)
        mixture = torch.randn(2, 1, 65, 21, dtype=torch.complex64, generator=rng)
        stem = mixture.unsqueeze(1) * (torch.arange(65) < 32)[:, None]
        loss = (network(None, mixture, None) * mixture.unsqueeze(1) - stem).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.4 * losses[0]


def test_an_item_does_not_depend_on_its_neighbours(name):
    network = make(name).eval()
    state, mixture, time = inputs(3)
    both = network(state, mixture, time)
    torch.testing.assert_close(network(state[1:2], mixture[1:2], time[1:2]), both[1:2], atol=1e-5, rtol=1e-4)


def test_the_time_matters_once_it_is_learned(name):
    network = make(name)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    state, mixture, _ = inputs()
    for _ in range(2):
        optimizer.zero_grad()
        network(state, mixture, torch.tensor([0.1, 0.9])).abs().square().sum().backward()
        optimizer.step()
    early, late = (network(state, mixture, torch.full((2,), time)) for time in (0.1, 0.9))
    assert (early - late).abs().max() > 1e-6


def test_gradient_checkpointing_changes_no_gradient(name):
    found = []
    for checkpointing in (False, True):
        network = make(name, gradient_checkpointing=checkpointing).train()
        network(*inputs()).abs().square().sum().backward()
        found.append([weight.grad for weight in network.parameters()])
    for plain, checkpointed in zip(*found, strict=True):
        torch.testing.assert_close(plain, checkpointed, rtol=1e-4, atol=1e-5)
