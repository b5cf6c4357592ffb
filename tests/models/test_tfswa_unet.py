import pytest
import torch

from unsung.models.networks.tfswa_unet import WindowAttention


@pytest.fixture(params=[0, 2])
def attention(request):
    torch.manual_seed(0)
    return WindowAttention(8, heads=2, window=4, shift=request.param)


def test_a_token_sees_its_window_and_its_row_only(attention):
    x = torch.randn(1, 3, 11, 8, requires_grad=True)
    attention(x)[0, 1, 5].sum().backward()
    seen = [(row, place) for row in range(3) for place in range(11) if x.grad[0, row, place].any()]
    first = (5 + attention.shift) // 4 * 4 - attention.shift
    assert seen == [(1, place) for place in range(first, first + 4)]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 9])
def test_what_is_filled_up_is_not_seen(attention, length):
    """A sequence cut off at a window's edge gives what the longer one gives there."""
    x = torch.randn(2, 1, 12, 8)
    edge = length - (length + attention.shift) % 4
    if edge > 0:
        torch.testing.assert_close(attention(x[:, :, :length])[:, :, :edge], attention(x)[:, :, :edge], atol=1e-6, rtol=1e-5)
    assert attention(x[:, :, :length]).isfinite().all()


def test_it_is_attention_as_torch_has_it():
    torch.manual_seed(0)
    mine, x = WindowAttention(8, heads=2, window=6, shift=0), torch.randn(3, 1, 6, 8)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(mine.into.weight), theirs.in_proj_bias.copy_(mine.into.bias)
        theirs.out_proj.weight.copy_(mine.out.weight), theirs.out_proj.bias.copy_(mine.out.bias)
    torch.testing.assert_close(mine(x)[:, 0], theirs(x[:, 0], x[:, 0], x[:, 0])[0], atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        mine.bias[:, 5 + 2] = 100.0  # of a token two places before
    assert (mine(x)[:, 0, 2] - mine.out(mine.into(x[:, 0, 0])[:, 16:])).abs().max() < 1e-5
