import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung.data.batches import Segments, Stretch, epochs, loader
from unsung.data.shards import Settings, Shards


@pytest.fixture
def make(shards_folder, params):
    def segments(targets=("vocals",), **remix) -> Segments:
        settings = params.train.remix.model_copy(update=remix)
        return Segments(Shards(shards_folder, "train", Settings.of(params)), targets, 50, settings, seed=0)

    return segments


def test_a_sample_is_a_function_of_its_number(make):
    one, other = make(), make()
    for number in (5, 0, 5):
        assert torch.equal(one[number]["stems"], other[number]["stems"])
    assert not torch.equal(one[0]["stems"], one[1]["stems"])


def test_a_coherent_sample_is_one_moment_of_one_song(make):
    segments = make(coherent=1.0, silent=0.0)
    shards = segments.shards
    found = segments[3]["stems"].numpy()
    matches = [
        (row, first)
        for row in shards.rows
        for first in range(shards.settings.frames - 50 + 1)
        if np.array_equal(shards.stem(row, "vocals", first, 50), found[0])
    ]
    rests = [sum(shards.stem(row, stem, first, 50) for stem in ("drums", "bass", "other")) for row, first in matches]
    assert any(np.allclose(found[1], rest, atol=1e-4) for rest in rests)


def test_silent_samples_have_no_target_but_an_accompaniment(make):
    segments = make(coherent=0.0, silent=1.0)
    for number in range(5):
        stems = segments[number]["stems"]
        assert not stems[0].any() and stems[1].any()


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_silent_samples_is_the_one_asked_for(make, share):
    segments = make(silent=share, coherent=0.0)
    silent = sum(not segments[number]["stems"][0].any() for number in range(200)) / 200
    assert silent == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(("targets", "parts"), [(("vocals", "drums"), 3), (("vocals", "drums", "bass", "other"), 5)])
def test_targets_come_first_and_the_rest_last(make, targets, parts):
    stems = make(targets, coherent=1.0, silent=0.0)[0]["stems"]
    assert stems.shape == (parts, 1, 129, 50)
    assert stems[-1].any() == (parts == 3)
    torch.testing.assert_close(stems.sum(0), make(coherent=1.0, silent=0.0)[0]["stems"].sum(0), atol=1e-3, rtol=1e-3)


def test_batches_do_not_depend_on_the_workers(make, params):
    alone = [batch["stems"] for batch in loader(make(), params)]
    together = [batch["stems"] for batch in loader(make(), changed(params, compute__loader_workers=2))]
    assert len(alone) == epochs(params.train)[1]
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(("steps", "every", "found"), [(12, 4, (3, 4)), (13, 4, (4, 4)), (3, 10, (1, 3)), (100, 30, (4, 25))])
def test_steps_are_rounded_up_to_equal_epochs(params, steps, every, found):
    assert epochs(changed(params, train__steps=steps, train__valid_every=every).train) == found


def test_epochs_follow_one_another():
    sampler = Stretch(4)
    assert list(sampler) == [0, 1, 2, 3]
    sampler.set_epoch(2)
    assert list(sampler) == [8, 9, 10, 11]
