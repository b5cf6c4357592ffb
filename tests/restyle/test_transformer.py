import pytest
import torch

from unsung.restyle.transformer import CENTRE, SPREAD, MusicTransformer, Settings, log_mel, normalised, sinusoids

SMALL = Settings(dim=16, layers=2, heads=4, dropout=0.0)


def network(gated=True, has_state=False, channels=24, bands=24):
    torch.manual_seed(0)
    return MusicTransformer(channels, bands, gated, has_state, SMALL)


@pytest.mark.parametrize("frames", [1, 2, 7, 8, 333])
@pytest.mark.parametrize("gated, has_state", [(True, False), (False, False), (True, True)])
def test_the_output_is_as_long_as_the_image_whatever_its_length(frames, gated, has_state):
    channels = 24 if gated else 9
    image = torch.randn(2, channels, frames)
    state, time = (torch.randn(2, 24, frames), torch.rand(2)) if has_state else (None, None)
    assert network(gated, has_state, channels)(image, state, time).shape == (2, 24, frames)


def test_the_gate_lets_no_more_through_than_there_is_and_the_rest_is_added():
    """Amplitudes: out = gate x image + added, with a gate from 0 to 1."""
    net, image = network().eval(), torch.randn(1, 24, 40)
    torch.nn.init.constant_(net.added.weight, 0)
    torch.nn.init.constant_(net.added.bias, -100 / SPREAD)
    with torch.inference_mode():
        assert (log_mel(net(image)) <= log_mel(image) + 1e-4).all()
        torch.nn.init.constant_(net.added.bias, 2.0)
        assert (net(image) >= 2.0 - 1e-4).all()


def test_the_time_and_the_state_matter():
    net = network(has_state=True).eval()
    image, state = torch.randn(2, 1, 24, 20).unbind()
    with torch.inference_mode():
        first = net(image, state, torch.tensor([0.2]))
        assert not torch.allclose(first, net(image, state, torch.tensor([0.9])))
        assert not torch.allclose(first, net(image, image, torch.tensor([0.2])))


def test_a_later_place_has_other_sinusoids_and_a_longer_song_the_same_ones():
    table = sinusoids(torch.arange(500), 16)
    assert len({tuple(row) for row in table.tolist()}) == 500
    assert torch.equal(table[:100], sinusoids(torch.arange(100), 16))


def test_normalised_is_undone():
    mel = torch.randn(3, 4, 5) * SPREAD + CENTRE
    torch.testing.assert_close(log_mel(normalised(mel)), mel)


@pytest.mark.parametrize("dim, heads", [(15, 5), (16, 5)])
def test_heads_must_share_the_dim(dim, heads):
    with pytest.raises(ValueError, match="multiple of heads"):
        Settings(dim=dim, layers=1, heads=heads, dropout=0.0)
