import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch

from tests.conftest import ROOT
from tests.restyle.vocoder.sounds import MEL, notes, pairs, vocoder
from unsung.errors import UserError
from unsung.restyle.vocoder.training import STATE, Training, learning_rate_factor, segments, train

SETTINGS = Training(steps=6, batch_size=2, segment_seconds=1.0, learning_rate=2e-3, turns=1, save_every=2)


def trained(scratch, songs=None, seed=0, **values):
    mine = vocoder()
    curve = train(mine, songs or pairs(), SETTINGS.model_copy(update=values), seed, scratch)
    return mine, curve


def equal(one, other):
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_it_learns(tmp_path):
    _, curve = trained(tmp_path, steps=45, save_every=20)
    assert list(curve["step"]) == [20, 40, 45]
    assert (curve.iloc[-1] < 0.95 * curve.iloc[0])[["stft", "mel", "loss"]].all()


def test_the_same_seed_gives_the_same_weights(tmp_path):
    (one, first), (again, second), (other, _) = (
        trained(tmp_path / name, seed=seed) for name, seed in zip("abc", (0, 0, 1), strict=True)
    )
    assert equal(one, again) and not equal(one, other)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from tests.restyle.vocoder import test_training as tests
from unsung.restyle.vocoder import training
step = training._step
def killed(vocoder, optimizer, batch, settings, number):
    if number == 3:  # one after the state was saved
        os.kill(os.getpid(), signal.SIGKILL)
    return step(vocoder, optimizer, batch, settings, number)
training._step = killed
torch.set_num_threads(int(sys.argv[2]))
tests.trained(Path(sys.argv[1]))
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(torch.get_num_threads())]
    run = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    assert len(torch.load(tmp_path / "killed" / STATE)["curve"]) == 1
    whole, curve = trained(tmp_path / "whole")
    resumed, rest = trained(tmp_path / "killed")
    assert equal(whole, resumed)
    pd.testing.assert_frame_equal(curve, rest, check_exact=True)


def test_a_finished_run_is_not_trained_again(tmp_path):
    one, _ = trained(tmp_path)
    again, curve = trained(tmp_path, songs=pairs(seed=9))
    assert equal(one, again) and list(curve["step"]) == [2, 4, 6]


def test_segments_are_stretches_of_the_songs():
    songs = pairs()
    log_mels, waveforms = segments(songs, MEL, 4, 20, (0, 3))
    assert log_mels.shape == (4, 40, 20) and waveforms.shape == (4, 19 * 64)
    inner = slice(2, -2)  # at the ends the rest of the song is missing
    torch.testing.assert_close(MEL.forward(waveforms)[..., inner], log_mels[..., inner], atol=1e-3, rtol=1e-3)
    assert torch.equal(waveforms, segments(songs, MEL, 4, 20, (0, 3))[1])
    assert not torch.equal(waveforms, segments(songs, MEL, 4, 20, (0, 4))[1])


def test_a_short_song_ends_in_silence(tmp_path):
    song = notes(0.25)
    short = (MEL.forward(song), song)
    log_mels, waveforms = segments([short], MEL, 1, 50, (0, 0))
    assert torch.equal(waveforms[0, : len(song)], song) and not waveforms[0, len(song) :].any()
    assert torch.equal(log_mels[0, :, 40:], MEL.forward(torch.zeros(640))[:, :10])
    assert trained(tmp_path, songs=[short], steps=2)[1]["loss"].notna().all()


def test_the_learning_rate_rises_and_falls():
    factors = [learning_rate_factor(step, 200) for step in range(200)]
    assert factors[0] < 0.06 and max(factors) > 0.97 and factors[-1] < 0.01
    assert factors[30:] == sorted(factors[30:], reverse=True)


@pytest.mark.parametrize(
    "songs, words",
    [
        ([], "there is no song"),
        ([(MEL.forward(torch.zeros(640)), torch.zeros(64 * 12))], r"song 0 .* 768 samples need \(40, 13\)"),
        ([(torch.zeros(39, 11), torch.zeros(640))], r"log-mels \(39, 11\)"),
    ],
)
def test_what_cannot_be_trained_on_is_told(songs, words, tmp_path):
    with pytest.raises(UserError, match=words):
        train(vocoder(), songs, SETTINGS, 0, tmp_path)


def test_a_loss_that_is_not_a_number_is_told(tmp_path):
    with pytest.raises(UserError, match="not a number at step 1; lower its learning_rate"):
        trained(tmp_path, songs=[(MEL.forward(notes()), notes() * torch.nan)])
