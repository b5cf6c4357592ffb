import pytest
import torch

from tests.restyle.vocoder.sounds import MEL, notes, vocoder
from unsung.restyle.vocoder.streaming import NAMES, GriffinLim, Network, system, vocoded


def blocks(log_mel, sizes):
    """The frames in blocks of these sizes, again and again."""
    first = 0
    while first < log_mel.shape[-1]:
        for size in sizes:
            yield log_mel[:, first : first + size]
            first += size


WAYS = [GriffinLim(MEL, turns=6, seed=2), Network(vocoder(), 0), Network(vocoder(), 4)]


@pytest.mark.parametrize("sizes", [(1,), (64,), (200, 3), (10_000,)])
@pytest.mark.parametrize("way", WAYS, ids=["griffin_lim", "network", "network+griffin_lim"])
def test_blocks_of_any_size_give_the_samples_of_the_whole(way, sizes):
    log_mel = MEL.forward(notes(4.0))
    whole = way.waveform(log_mel, 0)
    parts = list(vocoded(blocks(log_mel, sizes), way))
    assert len(parts) > 1 or sizes == (10_000,)
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=0)


def test_no_more_is_held_than_some_reaches():
    seen = []

    class Spy(Network):
        def waveform(self, log_mel, first):
            seen.append(log_mel.shape[-1])
            return super().waveform(log_mel, first)

    way = Spy(vocoder(), 0)
    frames = 1000
    assert sum(map(len, vocoded((torch.zeros(40, 10) for _ in range(frames // 10)), way))) == (frames - 1) * MEL.hop_length
    assert max(seen) <= 4 * way.reach + 11
    assert sum(seen) <= 2.5 * frames  # little is done twice


@pytest.mark.parametrize("frames, samples", [(0, 0), (1, 0), (2, 64)])
def test_songs_of_hardly_a_frame(frames, samples):
    for way in WAYS:
        assert sum(map(len, vocoded(blocks(torch.zeros(40, frames), (1,)), way))) == samples


def test_each_name_is_a_way():
    mine = vocoder()
    ways = {name: system(name, mine) for name in NAMES}
    assert isinstance(ways["griffin_lim"], GriffinLim)
    assert ways["network"] == Network(mine, 0) and ways["network+griffin_lim"] == Network(mine, 3)
    assert ways["network"].reach < ways["network+griffin_lim"].reach == mine.reach
