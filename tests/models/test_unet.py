import pytest
import torch

from unsung.models.networks.unet import Attention, normalised


@pytest.mark.parametrize(("width", "groups"), [(64, 32), (12, 12), (7, 7), (37, 1), (33, 11), (96, 32)])
def test_there_are_as_many_groups_as_divide_the_width(width, groups):
    assert normalised(width).num_groups == groups


def test_attention_looks_at_all_places():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 3, 5, requires_grad=True)
    Attention(8)(x)[0, :, 0, 0].sum().backward()
    assert x.grad.abs().sum(1).min() > 0


def test_attention_is_as_torch_has_it():
    torch.manual_seed(0)
    mine, theirs, x = Attention(8), torch.nn.MultiheadAttention(8, 4, batch_first=True), torch.randn(2, 8, 3, 5)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(mine.into.weight[..., 0, 0]), theirs.in_proj_bias.copy_(mine.into.bias)
        theirs.out_proj.weight.copy_(mine.out.weight[..., 0, 0]), theirs.out_proj.bias.copy_(mine.out.bias)
    places = mine.norm(x).flatten(2).transpose(1, 2)
    expected = x + theirs(places, places, places)[0].transpose(1, 2).unflatten(-1, (3, 5))
    torch.testing.assert_close(mine(x), expected, atol=1e-5, rtol=1e-5)
