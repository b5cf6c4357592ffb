import pytest
import torch

from unsung.models.networks.band_split import Network, Settings, band_widths, turned
from unsung.models.networks.base import Shape, embed


def make(targets=1, channels=1, state=True):
    torch.manual_seed(0)
    settings = Settings(dim=8, blocks=1, bands=6, exponent=0.5, mask="complex", gradient_checkpointing=False)
    return Network(Shape(targets, channels, 129, 8000, state), settings)


@pytest.mark.parametrize("targets", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("state", [True, False])
def test_masks_have_the_shape_of_the_stems(targets, channels, state):
    mixture = torch.randn(2, channels, 129, 13, dtype=torch.complex64)
    x = torch.randn(2, targets, channels, 129, 13, dtype=torch.complex64) if state else None
    masks = make(targets, channels, state)(x, mixture, torch.ones(2) if state else None)
    assert masks.shape == (2, targets, channels, 129, 13) and masks.dtype == torch.complex64


def test_every_part_has_a_gradient():
    network = make()
    x, y = torch.randn(2, 1, 1, 129, 13, dtype=torch.complex64), torch.randn(2, 1, 129, 13, dtype=torch.complex64)
    network(x, y, torch.rand(2)).abs().square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    silent = {name for name, p in network.named_parameters() if not p.grad.any()}
    assert silent <= {"time.0.weight", "time.0.bias"}  # behind the modulation, whose weights begin at zero


def test_an_item_does_not_depend_on_its_neighbours():
    network = make().eval()
    x, y = torch.randn(3, 1, 1, 129, 13, dtype=torch.complex64), torch.randn(3, 1, 129, 13, dtype=torch.complex64)
    both = network(x, y, torch.ones(3))
    torch.testing.assert_close(network(x[1:2], y[1:2], torch.ones(1)), both[1:2], atol=1e-5, rtol=1e-4)


def test_loudness_does_not_change_the_masks_of_bands_that_sound():
    network = make().eval()
    x, y = torch.randn(1, 1, 1, 129, 13, dtype=torch.complex64), torch.randn(1, 1, 129, 13, dtype=torch.complex64)
    torch.testing.assert_close(network(x, y, torch.ones(1)), network(2 * x, 2 * y, torch.ones(1)), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize(
    ("freqs", "bands", "rate"), [(513, 20, 22_050), (513, 30, 22_050), (1025, 60, 44_100), (129, 6, 8000), (9, 30, 8000)]
)
def test_bands_cover_the_spectrum_and_grow(freqs, bands, rate):
    widths = band_widths(freqs, bands, rate)
    assert sum(widths) == freqs and min(widths) >= 1 and len(widths) == min(bands, freqs)
    assert widths[-1] >= widths[0]


def test_times_are_told_apart():
    found = embed(torch.linspace(0, 1, 50), 64)
    distances = torch.cdist(found, found) + 10 * torch.eye(50)
    assert distances.min() > 0.1


ATTENTION = ("attention", "attention_over_bands")


def with_attention(recurrence, dim=64):
    torch.manual_seed(0)
    settings = {"dim": dim, "blocks": 1, "bands": 6, "exponent": 0.5, "mask": "complex", "gradient_checkpointing": False}
    return Network(Shape(1, 1, 129, 8000, 1), Settings(recurrence=recurrence, **settings)).eval()


def test_attention_has_as_many_weights_as_lstms():
    counts = [sum(p.numel() for p in with_attention(kind).blocks.parameters()) for kind in ("lstm", *ATTENTION)]
    assert max(counts) < 1.01 * min(counts)


@pytest.mark.parametrize("recurrence", ATTENTION)
def test_attention_sees_all_frames_and_all_bands(recurrence):
    network = with_attention(recurrence)
    x, y = torch.randn(1, 1, 1, 129, 40, dtype=torch.complex64), torch.randn(1, 1, 129, 40, dtype=torch.complex64)
    y.requires_grad_()
    network(x, y, torch.ones(1))[0, 0, 0, 60, 20].abs().backward()
    seen = y.grad[0, 0].abs()
    assert (seen.sum(0) > 0).all() and (seen.sum(1) > 0).all()


def test_what_attention_sees_depends_on_the_distance_alone():
    queries, keys = torch.randn(2, 1, 1, 30, 32)
    products = turned(queries[..., :1, :].expand(-1, -1, 30, -1)) @ turned(keys[..., :1, :].expand(-1, -1, 30, -1)).transpose(
        -1, -2
    )
    torch.testing.assert_close(products[0, 0, 5, 9], products[0, 0, 15, 19], atol=1e-4, rtol=1e-4)
    assert abs(float(products[0, 0, 5, 9] - products[0, 0, 9, 5])) > 1e-3  # earlier is not later
    torch.testing.assert_close(turned(queries).norm(dim=-1), queries.norm(dim=-1))


def test_a_dim_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="dim is 100; with attention it must be a multiple of 6"):
        with_attention("attention", dim=100)
