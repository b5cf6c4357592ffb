import json

import pytest
import torch

from tests.restyle.vocoder.sounds import MEL, SETTINGS, notes, vocoder
from unsung.errors import UserError
from unsung.restyle.folder import CONFIG, WEIGHTS
from unsung.restyle.mel import Mel
from unsung.restyle.vocoder.griffin_lim import consistent, magnitudes
from unsung.restyle.vocoder.network import Settings, Vocoder, begin


@pytest.mark.parametrize("mel", [MEL, Mel(16_000, 512, 128, 64), Mel(16_000, 600, 150, 30)])
def test_it_gives_the_samples_between_the_frames(mel):
    song = torch.stack([notes(1.0, seed, mel) for seed in range(2)])
    log_mel = mel.forward(song)
    waveform = begin(mel, SETTINGS, 0)(log_mel)
    assert waveform.shape == (2, (log_mel.shape[-1] - 1) * mel.hop_length)
    assert waveform.isfinite().all()


def test_without_a_say_of_the_network_its_magnitudes_are_griffin_lims():
    mine = vocoder()
    with torch.no_grad():
        mine.head.weight.zero_()
    log_mel = MEL.forward(notes())[None]
    magnitude, phase = mine.polar(log_mel)
    theirs = magnitudes(log_mel, MEL, 7)
    seen = mine.filters.sum(0) > 0
    torch.testing.assert_close(magnitude[:, seen], theirs[:, seen], atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(mine(log_mel), consistent(magnitude, phase, MEL.stft, SETTINGS.turns))


def test_trust_leads_back_to_the_log_mels():
    fitting, free = vocoder(), vocoder()
    with torch.no_grad():
        free.trust.zero_()
        for mine in (fitting, free):
            mine.head.weight *= 20
    log_mel = MEL.forward(notes())[None]
    near, far = (float((MEL.of_magnitude(mine.polar(log_mel)[0]) - log_mel).abs().mean().detach()) for mine in (fitting, free))
    assert near < far / 3


@pytest.mark.parametrize("turns", [0, 3])
def test_what_is_farther_than_reach_does_not_matter(turns):
    mine = vocoder(turns=turns)
    log_mel = MEL.forward(notes())[None]
    middle, changed = 50, log_mel.clone()
    changed[..., middle + mine.reach + 1 :] += 1
    until = slice(0, middle * MEL.hop_length)
    with torch.no_grad():
        before = mine(log_mel)[..., until]
        torch.testing.assert_close(mine(changed)[..., until], before, atol=1e-5, rtol=0)
        changed[..., middle + 1] += 3
        assert not torch.allclose(mine(changed)[..., until], before, atol=1e-4)


def test_weights_follow_from_the_seed_and_leave_others_randomness_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, again, other = (begin(MEL, SETTINGS, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_a_folder_has_the_same_bytes_and_gives_the_same_sound(tmp_path):
    mine = vocoder()
    for name in "ab":
        mine.save(tmp_path / name)
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = Vocoder.load(tmp_path / "a")
    assert loaded.mel == MEL and loaded.settings == SETTINGS
    log_mel = MEL.forward(notes())[None]
    assert torch.equal(loaded(log_mel), mine(log_mel))


def _cut(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-9])


def _wider(folder):
    _changed(folder, settings={**SETTINGS.model_dump(), "channels": 32})


def _deeper(folder):
    _changed(folder, settings={**SETTINGS.model_dump(), "blocks": 3})


def _even(folder):
    _changed(folder, settings={**SETTINGS.model_dump(), "kernel": 4})


def _uninvertible(folder):
    _changed(folder, hop_length=128)


def _newer(folder):
    _changed(folder, format=2)


def _changed(folder, **values):
    (folder / CONFIG).write_text(json.dumps({**json.loads((folder / CONFIG).read_text()), **values}))


def _without_weights(folder):
    (folder / WEIGHTS).unlink()


def _not_a_number(folder):
    mine = vocoder()
    with torch.no_grad():
        mine.trust[3] = torch.nan
    mine.save(folder)


@pytest.mark.parametrize(
    "harm, words",
    [
        (_cut, "not a whole safetensors file"),
        (_wider, "the config wants float32"),
        (_deeper, "lacks blocks.2"),
        (_even, "kernel .* must be odd"),
        (_uninvertible, "hop_length less than its half"),
        (_newer, "format"),
        (_without_weights, "weights.safetensors is missing"),
        (_not_a_number, "NaN or infinite weights in trust"),
    ],
)
def test_what_is_not_whole_is_refused_in_one_line(harm, words, tmp_path):
    vocoder().save(tmp_path)
    harm(tmp_path)
    with pytest.raises(UserError, match=words) as error:
        Vocoder.load(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="odd"):
        Settings(channels=8, blocks=1, kernel=4, turns=0)
