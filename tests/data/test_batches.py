import numpy as np
import pytest
import torch

from tests.conftest import changed
from unsung.data.batches import Segments, Stretch, epochs, loader
from unsung.data.shards import Settings, Shards


@pytest.fixture
def make(shards_folder, params):
    def segments(targets=("vocals",), **values) -> Segments:
        settings = params.train.augment.model_copy(update=values)
        return Segments(Shards(shards_folder, "train", Settings.of(params)), targets, 50, settings, seed=0)

    return segments


def test_a_sample_is_a_function_of_its_number(make):
    one, other = make(), make()
    for number in (5, 0, 5):
        assert torch.equal(one[number]["stems"], other[number]["stems"])
    assert not torch.equal(one[0]["stems"], one[1]["stems"])


def test_a_coherent_sample_is_one_moment_of_one_song(make):
    segments = make(remix=0.0, silent=0.0)
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


@pytest.mark.parametrize("remix", [0.0, 1.0])
@pytest.mark.parametrize("name", ["mixup", "stretch", "pitch", "mask_frequency", "mask_time"])
def test_a_setting_changes_some_samples_and_no_shape(make, remix, name):
    plain, some = make(remix=remix, silent=0.0), make(remix=remix, silent=0.0, **{name: 0.3})
    plain.longest = some.longest  # a segment that may be warped must leave room, so moments would be others
    same = [torch.equal(plain[number]["stems"], some[number]["stems"]) for number in range(40)]
    assert all(plain[number]["stems"].shape == some[number]["stems"].shape for number in range(5))
    if name == "mixup" and not remix:
        assert all(same)  # of remixed stems only
    else:
        assert 0 < sum(same) < 40


def test_stems_of_one_moment_are_warped_together(make, params):
    """Two stems that are the same sound stay the same, whatever happens to it."""
    segments = make(remix=0.0, silent=0.0, stretch=1.0, pitch=1.0)
    original = segments.shards.stem
    segments.shards.stem = lambda row, stem, first, frames: original(row, "vocals", first, frames)
    for number in range(5):
        stems = segments[number]["stems"]
        torch.testing.assert_close(stems[1], 3 * stems[0], rtol=1e-3, atol=1e-3)


def test_mixup_adds_another_of_its_kind(make):
    plain, mixed = make(remix=1.0, silent=0.0), make(remix=1.0, silent=0.0, mixup=1.0)
    shards, more = plain.shards, [mixed[number]["stems"] - plain[number]["stems"] for number in range(5)]
    moments = [shards.stem(row, "vocals", first, 50) for row in shards.rows for first in range(shards.settings.frames - 49)]
    for extra in more:
        found = [np.abs(np.vdot(extra[0].numpy(), m)) / np.linalg.norm(m) for m in moments if np.linalg.norm(m) > 1e-6]
        assert max(found) == pytest.approx(np.linalg.norm(extra[0].numpy()), rel=1e-3, abs=1e-5)


def test_silent_samples_have_no_target_but_an_accompaniment(make):
    segments = make(remix=1.0, silent=1.0)
    for number in range(5):
        stems = segments[number]["stems"]
        assert not stems[0].any() and stems[1].any()


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_silent_samples_is_the_one_asked_for(make, share):
    segments = make(silent=share, remix=1.0)
    silent = sum(not segments[number]["stems"][0].any() for number in range(200)) / 200
    assert silent == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize(("targets", "parts"), [(("vocals", "drums"), 3), (("vocals", "drums", "bass", "other"), 5)])
def test_targets_come_first_and_the_rest_last(make, targets, parts):
    stems = make(targets, remix=0.0, silent=0.0)[0]["stems"]
    assert stems.shape == (parts, 1, 129, 50)
    assert stems[-1].any() == (parts == 3)
    torch.testing.assert_close(stems.sum(0), make(remix=0.0, silent=0.0)[0]["stems"].sum(0), atol=1e-3, rtol=1e-3)


EVERYTHING = {"mixup": 0.5, "gain": 0.5, "stretch": 0.5, "pitch": 0.5, "mask_frequency": 0.5, "mask_time": 0.5}


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["as it comes", "everything"])
def test_batches_do_not_depend_on_the_workers(make, params, values):
    alone = [batch["stems"] for batch in loader(make(**values), params)]
    together = [batch["stems"] for batch in loader(make(**values), changed(params, compute__loader_workers=2))]
    assert len(alone) == epochs(params.train)[1]
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(("steps", "every", "found"), [(12, 4, (3, 4)), (13, 4, (4, 4)), (3, 10, (1, 3)), (100, 30, (4, 25))])
def test_steps_are_rounded_up_to_equal_epochs(params, steps, every, found):
    assert epochs(changed(params, train__steps=steps, train__valid_every=every).train) == found


def test_epochs_follow_one_another():
    sampler = Stretch(4, batch_size=2)
    assert list(sampler) == [0, 1, 2, 3]
    sampler.set_epoch(2)
    assert list(sampler) == [8, 9, 10, 11]


def test_two_processes_see_together_what_one_sees(monkeypatch):
    one = Stretch(12, batch_size=6, epoch=1)
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    found = []
    for rank in (0, 1):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        found.append(list(Stretch(6, batch_size=3, epoch=1)))
    monkeypatch.undo()
    alone = list(one)
    for step in range(2):
        assert found[0][3 * step : 3 * step + 3] + found[1][3 * step : 3 * step + 3] == alone[6 * step : 6 * step + 6]
