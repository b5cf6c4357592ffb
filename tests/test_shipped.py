from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from unsung import shipped
from unsung.data.synth import band, mixing
from unsung.devices import generators
from unsung.errors import UserError
from unsung.models.separator import Separator
from unsung.scoring import whole
from unsung.shipped import FOLDER, Card, Score, Source

CARD = Card(
    summary="A model of a test.",
    licence="CC0-1.0",
    made="2026-11-21",
    commit="abc",
    hours=1.5,
    steps=7,
    scores=(Score(data="a song", measure="SDR", decibels=-3.25),),
    sources=(Source(name="band", licence="CC-BY-4.0", credit="The Band"),),
)


def test_every_shipped_model_loads_and_is_small():
    assert "songs" in shipped.names()
    for name in shipped.names():
        folder = shipped.folder_of(Path(name))
        Separator.load(folder)
        assert sum(file.stat().st_size for file in folder.iterdir()) < 12e6


def test_a_card_names_all_that_a_model_was_trained_on():
    card = shipped.card_of(Path("songs"))
    assert card.licence and card.hours > 0 and card.steps > 0 and card.scores
    assert all(source.licence and source.credit for source in card.sources) and len(card.sources) > 20
    text = shipped.described(card)
    assert all(source.credit in text for source in card.sources)


KEPT = 7.79  # dB, SDR of the vocals, with the weights of card.json's date


def test_the_shipped_model_keeps_its_score_on_a_clip():
    """Ten composed seconds, which it has not learned from: other seeds are other songs."""
    separator = Separator.load(shipped.folder_of(Path("songs")))
    stems = mixing.play(np.random.default_rng(4711), 10.0)
    rate = separator.config.sample_rate
    mixture, vocals = (soxr.resample(samples, band.RATE, rate) for samples in (sum(stems.values()), stems["vocals"]))
    with torch.inference_mode():
        without = separator.counterfactual(torch.from_numpy(mixture.T.copy())[None], generators([(0, 0)], torch.device("cpu")))
    assert whole.global_sdr(vocals, mixture - without[0, 0].numpy().T) == pytest.approx(KEPT, abs=0.1)


def test_a_name_is_a_shipped_model_and_a_path_is_a_folder():
    assert shipped.folder_of(Path("songs")) == FOLDER / "songs"
    assert shipped.folder_of(Path("models/best")) == Path("models/best")
    assert shipped.folder_of(Path("elsewhere/songs")) == Path("elsewhere/songs")


def test_models_are_listed_and_cards_read_or_refused(tmp_path, separator):
    separator.save(tmp_path / "models" / "best")
    assert "trained here" in shipped.listed(tmp_path / "models")
    with pytest.raises(UserError, match="has no card"):
        shipped.card_of(tmp_path / "models" / "best")
    (tmp_path / "models" / "best" / "card.json").write_text("{}")
    with pytest.raises(UserError, match="not a card that this version can read"):
        shipped.card_of(tmp_path / "models" / "best")
    (tmp_path / "models" / "best" / "card.json").write_text(CARD.model_dump_json())
    assert "A model of a test." in shipped.listed(tmp_path / "models")
    assert "-3.2 dB  SDR: a song" in shipped.described(CARD) and "band (CC-BY-4.0): The Band" in shipped.described(CARD)
