from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import changed
from unsung.data.batches import Segments, Stretch, epochs, loader
from unsung.data.shards import Settings, Shards, write_shards
from unsung.data.tracks import read_index
from unsung.errors import UserError
from unsung.spectrum import Stft

FRAMES, STFT = 50, Stft(256, 64)
SAMPLES = 49 * 64 + 256  # that 50 frames see


@pytest.fixture
def make(shards_folder, params):
    def segments(targets=("vocals",), **values) -> Segments:
        settings = params.train.augment.model_copy(update=values)
        return Segments(Shards(shards_folder, "train", Settings.of(params)), targets, FRAMES, STFT, settings, seed=0)

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
    starts = shards.settings.samples - SAMPLES + 1
    matches = [
        (row, first)
        for row in shards.rows
        for first in np.flatnonzero(shards.stem(row, "vocals", 0, starts)[0] == found[0, 0, 0]).tolist()
        if np.array_equal(shards.stem(row, "vocals", first, SAMPLES), found[0])
    ]
    rests = [sum(shards.stem(row, stem, first, SAMPLES) for stem in ("drums", "bass", "other")) for row, first in matches]
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
    segments.shards.stem = lambda row, stem, first, samples: original(row, "vocals", first, samples)
    for number in range(5):
        stems = segments[number]["stems"]
        torch.testing.assert_close(stems[1], 3 * stems[0], rtol=1e-3, atol=1e-3)


def test_mixup_adds_another_of_its_kind(make):
    plain, mixed = make(remix=1.0, silent=0.0), make(remix=1.0, silent=0.0, mixup=1.0)
    shards, more = plain.shards, [mixed[number]["stems"] - plain[number]["stems"] for number in range(5)]
    rows = [shards.stem(row, "vocals", 0, shards.settings.samples)[0] for row in shards.rows]
    for extra in more:  # it is somewhere in the voices, with another gain
        voice = extra[0, 0].numpy()
        products = [np.abs(np.correlate(row, voice)) for row in rows]
        norms = [np.sqrt(np.maximum(np.convolve(row**2, np.ones(SAMPLES), "valid"), 1e-12)) for row in rows]
        best = max(float((product / norm).max()) for product, norm in zip(products, norms, strict=True))
        assert best == pytest.approx(np.linalg.norm(voice), rel=1e-3, abs=1e-5)


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
    assert stems.shape == (parts, 1, SAMPLES)
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


TONES = {"voices/a": 500, "voices/b": 800, "bands/c": 1500, "songs/d": 2500}  # Hz; the song's voice is at 3000


@pytest.fixture(scope="module")
def lacking(tmp_path_factory, stems_folder, params):
    """Shards of two voices, an accompaniment and a song; each sounds in its first half only."""
    folder, rate = tmp_path_factory.mktemp("lacking"), 8000
    track, t = read_index(stems_folder / "train")[0], np.arange(8 * rate) / rate

    def tone(name, hertz):
        path = folder / f"{name.replace('/', ' ')} {hertz}.flac"
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * hertz * t) * (t < 3.9), rate)
        return path

    kinds = {"voices": "vocals", "bands": "accompaniment", "songs": "accompaniment"}
    tracks = [replace(track, name=name, stems={kinds[name.split("/")[0]]: tone(name, hertz)}) for name, hertz in TONES.items()]
    tracks[-1] = replace(tracks[-1], stems={"vocals": tone("songs/d", 3000), **tracks[-1].stems})
    write_shards(folder / "shards", tracks, Settings.of(params), params.shards.megabytes, params.compute)
    return Shards(folder / "shards", "train", Settings.of(params))


@pytest.fixture
def draw(lacking, params):
    def segments(shares=None, **values) -> Segments:
        settings = params.train.augment.model_copy(update={"silent": 0.0, **values})
        return Segments(lacking, ("vocals",), FRAMES, STFT, settings, 0, shares)

    return segments


def hertz_of(stem):
    """Where a stem is loudest."""
    return int(spectrum_of(stem).argmax()) * 8000 / 256


def spectrum_of(stem):
    return STFT.forward(stem, within=True).abs().sum((0, 2))


def test_a_remixed_stem_is_drawn_where_it_sounds(draw):
    segments = draw(remix=1.0)
    for number in range(60):
        voice, rest = segments[number]["stems"]
        assert hertz_of(voice) in (500, 812.5, 3000) and hertz_of(rest) in (1500, 2500)
        assert torch.equal(segments[number]["stems"], draw(remix=1.0)[number]["stems"])


def test_a_coherent_segment_is_of_a_track_that_has_all_stems(draw):
    segments, silent = draw(remix=0.0), 0
    for number in range(20):
        voice, rest = segments[number]["stems"]
        silent += not voice.any()
        assert not voice.any() or (hertz_of(voice), hertz_of(rest)) == (3000, 2500)
    assert 0 < silent < 20  # a moment of a song in which nobody sings is one, too


@pytest.mark.parametrize(("shares", "found"), [({"voices": 3.0}, 0.75), ({"songs": 0.0}, 1.0), ({"voices": 0.0}, 0.0)])
def test_shares_say_how_often_a_stem_is_of_a_folder(draw, shares, found):
    segments = draw(shares, remix=1.0)
    voices = sum(hertz_of(segments[number]["stems"][0]) < 1000 for number in range(200)) / 200
    assert voices == pytest.approx(found, abs=0.08)


def test_another_of_its_kind_is_drawn_where_it_sounds(draw):
    voice = [draw(remix=1.0, mixup=1.0, gain=0.0, polarity=0.0)[number]["stems"][0] for number in range(10)]
    peaks = [
        {f for f in (500, 800, 3000) if spectrum[round(f / 8000 * 256)] > 0.2 * spectrum.max()}
        for spectrum in map(spectrum_of, voice)
    ]
    assert {len(some) for some in peaks} == {1, 2} and set.union(*peaks) == {500, 800, 3000}


@pytest.mark.parametrize(
    ("values", "shares", "said"),
    [
        ({"remix": 0.5}, {"songs": 0.0}, "has all of vocals, accompaniment, and train.augment.remix is 0.5"),
        ({"remix": 1.0}, {"songs": 0.0, "voices": 0.0}, "vocals sounds in no train track that is drawn from"),
        ({"remix": 1.0}, {"singers": 1.0}, "data.shares has singers, and no train track lies there"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(draw, values, shares, said):
    with pytest.raises(UserError, match=said):
        draw(shares, **values)


def test_shares_where_all_tracks_have_all_stems_leave_out_silence(make, params):
    segments = make(remix=1.0, silent=0.0)
    chosen = Segments(segments.shards, ("vocals",), FRAMES, STFT, segments.augment, 0, {"Song 0": 1.0})
    assert all(row.sounds("vocals") for row in chosen.urns["vocals"].rows)
    assert not torch.equal(chosen[0]["stems"], segments[0]["stems"])
