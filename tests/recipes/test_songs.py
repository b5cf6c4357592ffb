import numpy as np
import pytest
import soundfile
import torch
from ruamel.yaml import YAML

from recipes.songs import compose, production, valid
from recipes.songs.declare import SOURCES
from recipes.songs.pools import Mixes, pack
from recipes.songs.recipe import RECIPE, Recipe
from recipes.songs.train import Run

RATE = production.RATE


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def song():
    return compose.compose(rng(3), 20.0, lowest=52)


def test_a_song_follows_from_its_seed(song):
    assert song == compose.compose(rng(3), 20.0, lowest=52)
    assert song.melody.notes != compose.compose(rng(4), 20.0, lowest=52).melody.notes


def test_nobody_sings_two_notes_at_once_nor_below_their_register():
    for seed in range(20):
        notes = compose.compose(rng(seed), 20.0, lowest=52).melody.notes
        assert notes and all(note.pitch >= 52 for note in notes)
        ends = [note.start + note.seconds for note in notes[:-1]]
        assert all(end <= following.start + 0.051 for end, following in zip(ends, notes[1:], strict=True))


def test_a_harmony_keeps_the_words_and_the_scale(song):
    above = song.harmony(2)
    scale = {(song.melody.key + step) % 12 for step in song.melody.scale}
    for note, other in zip(song.melody.notes, above.notes, strict=True):
        assert (note.start, note.vowel) == (other.start, other.vowel)
        assert other.pitch % 12 in scale and 2 <= other.pitch - note.pitch <= 5


def test_a_voice_is_produced_at_one_level_and_not_always_in_the_middle():
    dry = np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE).astype(np.float32)
    takes = [production.produce(dry, rng(seed)) for seed in range(12)]
    sides = [np.abs(take[:, 0] - take[:, 1]).mean() / np.abs(take).mean() for take in takes]
    for take in takes:
        assert take.shape == (2 * RATE, 2) and take.dtype == np.float32 and np.abs(take).max() < 1
        assert 20 * np.log10(production.loudness(take)) == pytest.approx(-20, abs=0.1)
    assert min(sides) < 0.15 and max(sides) > 0.3


def test_compression_brings_loud_and_soft_nearer():
    dry = np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE) * np.where(np.arange(2 * RATE) < RATE, 0.8, 0.2)
    found = production.compressed(dry.astype(np.float32), 4.0, 15.0, rng())
    before, after = (20 * np.log10(x[:40_000].std() / x[-40_000:].std()) for x in (dry, found))
    assert before == pytest.approx(12.0, abs=0.1) and 2.0 < after < 6.0


def test_a_room_has_its_reverberation_time():
    response = production.room(rng(), 1.0).sum(1)
    decay = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / (response**2).sum())
    assert 0.4 < np.argmax(decay < -30) / RATE < 0.7


MADE = {  # of what has a licence
    *("composed", "arranged", "voices", "spoken"),
    *("plain_voices", "plain_speech", "psola_voices", "psola_speech"),
}


def test_every_pool_has_a_licence_and_a_credit():
    sources = YAML(typ="safe").load(SOURCES)
    known = {**sources["accompaniments"], **sources["songs"]}
    for pool in Recipe.load().pools:
        assert pool.name in known or pool.name in MADE
    for kind in sources.values():
        for source in kind.values():
            assert source["licence"] and source["credit"]


def test_the_model_fits_into_the_package():
    weights = Run(Recipe.load()).separator.state_dict().values()
    assert 4 * sum(weight.numel() for weight in weights) < 12e6


def test_a_recipe_can_be_changed_by_key():
    recipe = Recipe.load(RECIPE, network__dim=8, training__clip=2.0)
    assert recipe.model.network_settings["dim"] == 8 and recipe.training.clip == 2.0


def test_a_run_that_goes_on_ends_with_the_same_weights(tmp_path):
    for name, hertz in {"voices/a": 440, "supertuxkart/b": 1000}.items():
        path = tmp_path / "pools" / f"{name}.wav"
        path.parent.mkdir(parents=True)
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * np.arange(3 * 22_050) / 22_050), 22_050)
        pack(path.parent, tmp_path / "packed" / path.parent.name, 22_050)
    small = {"network__dim": 8, "network__blocks": 1, "network__bands": 4, "training__segment_seconds": 1.0}
    recipe = Recipe.load(RECIPE, training__batch_size=1, training__bfloat16=False, **small)
    m = recipe.model
    mixes = Mixes(tmp_path / "packed", recipe.pools, recipe.variety, m.sample_rate, m.stft, recipe.frames, 0)
    whole, first, second = Run(recipe), Run(recipe), Run(recipe)
    losses = [whole.train_step(mixes, 1.0) for _ in range(4)]
    for _ in range(2):
        first.train_step(mixes, 1.0)
    first.save(tmp_path / "state.pt")
    second.load(tmp_path / "state.pt")
    assert [second.train_step(mixes, 1.0) for _ in range(2)] == losses[2:]
    for mine, other in zip(whole.average.state_dict().values(), second.average.state_dict().values(), strict=True):
        assert torch.equal(mine, other)


def test_a_run_can_begin_with_the_weights_of_a_model(tmp_path):
    small = {"network__dim": 8, "network__blocks": 1, "network__bands": 4}
    first, second = Run(Recipe.load(RECIPE, **small)), Run(Recipe.load(RECIPE, **small, training__seed=1))
    first.separator.save(tmp_path / "model")
    second.begin(tmp_path / "model")
    for separator in (second.separator, second.average.module):
        for mine, other in zip(first.separator.state_dict().values(), separator.state_dict().values(), strict=True):
            assert torch.equal(mine, other)


def test_scores_are_improvements_over_the_mixture(monkeypatch):
    voice, band = (rng(i).standard_normal((22_050, 2)).astype(np.float32) for i in range(2))
    run = Run(Recipe.load(RECIPE, network__dim=8, network__blocks=1, network__bands=4))
    monkeypatch.setattr(
        type(run.separator), "counterfactual", lambda self, mixture, *_: torch.from_numpy((0.1 * voice + band).T.copy())[None, None]
    )
    found = valid.scores(run.separator, None, [("mir1k", voice, band)])
    assert found == {"mir1k": pytest.approx(20.0, abs=0.1)}
