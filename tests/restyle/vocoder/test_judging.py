import librosa
import numpy as np
import pandas as pd
import pytest
import torch

from tests.restyle.vocoder.sounds import MEL, notes, pairs, vocoder
from unsung.restyle.vocoder import judging
from unsung.restyle.vocoder.judging import MEASURES, better, chosen, compared, measures


def test_equal_waveforms_have_no_distance_and_others_have():
    song = notes()
    assert set(measures(song, song, MEL).values()) == {0.0}
    assert all(value > 0.05 for value in measures(notes(seed=1), song, MEL).values())


def test_half_as_loud_is_six_decibels():
    song = torch.randn(16_000, generator=torch.Generator().manual_seed(0)) * 0.3
    found = measures(song / 2, song, MEL)
    assert found["lsd"] == pytest.approx(6.02, abs=0.05)
    assert found["mel_l1"] == pytest.approx(np.log(2), abs=1e-3)
    assert all(found[name] == pytest.approx(0.5 + np.log(2), abs=2e-3) for name in MEASURES if name.startswith("stft"))


def test_the_distance_is_librosas():
    one, other = notes(), notes(seed=1)
    levels = [
        20 * np.log10(np.maximum(np.abs(librosa.stft(wave.numpy(), n_fft=256, hop_length=64, pad_mode="constant")) / 64, 1e-4))
        for wave in (one, other)
    ]
    expected = np.sqrt(((levels[0] - levels[1]) ** 2).mean(axis=0)).mean()
    assert measures(one, other, MEL)["lsd"] == pytest.approx(expected, rel=1e-4)


def table(**rows):
    columns = [*MEASURES, "seconds"]
    return pd.DataFrame(
        [{"system": name.replace("_and_", "+"), **dict(zip(columns, row, strict=True))} for name, row in rows.items()]
    )


GRIFFIN_LIM = [2.0, 0.1, 0.3, 0.3, 0.4, 0.05]


@pytest.mark.parametrize(
    "network, both, best",
    [
        ([1.0, 0.09, 0.2, 0.2, 0.3, 0.01], [1.0, 0.05, 0.2, 0.2, 0.3, 0.02], "network+griffin_lim"),
        ([1.0, 0.09, 0.2, 0.2, 0.3, 0.01], [1.5, 0.09, 0.2, 0.2, 0.3, 0.02], "network"),
        ([1.0, 0.09, 0.2, 0.2, 0.3, 0.01], [0.1, 0.01, 0.1, 0.1, 0.1, 0.06], "network"),  # the other one is slow
        ([0.1, 0.11, 0.1, 0.1, 0.1, 0.01], [0.1, 0.01, 0.1, 0.1, 0.41, 0.02], "griffin_lim"),  # each is worse in one
        ([*GRIFFIN_LIM[:-1], 0.06], [9.0] * 6, "griffin_lim"),
    ],
)
def test_a_network_must_be_no_worse_in_anything(network, both, best):
    assert chosen(table(network=network, network_and_griffin_lim=both, griffin_lim=GRIFFIN_LIM)) == best


def test_the_table_has_every_way_and_an_untrained_network_does_not_win():
    songs = pairs(2)
    name, found = better(vocoder(), songs)
    assert list(found["system"]) == ["network", "network+griffin_lim", "griffin_lim"]
    assert list(found.columns) == ["system", *MEASURES, "seconds"]
    assert name == "griffin_lim" and (found["seconds"] > 0).all()
    again = compared(vocoder(), songs)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), found.drop(columns="seconds"), check_exact=True)


def test_the_threads_are_as_before():
    before = torch.get_num_threads()
    judging.compared(vocoder(), pairs(1))
    assert torch.get_num_threads() == before
