import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.faults.runner import Limits
from unsung import audio
from unsung.config.schema import Separate
from unsung.errors import UserError
from unsung.places import Wanted
from unsung.restyle.model import write_way
from unsung.restyle.restyler import Restyler
from unsung.restyle.restyling import Manner
from unsung.restyle.songs import load, restyle_songs
from unsung.restyle.training import config_of
from unsung.restyle.vocoder.network import begin
from unsung.separation import Method
from unsung.shipped import folder_of

MANNER = Manner(2.0, 0.25, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    model = Restyler(config_of(small))
    model.save(folder)
    begin(model.config.mel, small.vocoder.network, 0).save(folder / "vocoder")
    write_way(folder, "network")
    return folder


@pytest.fixture
def song(tmp_path):
    samples = np.random.default_rng(0).uniform(-0.4, 0.4, (3 * 11_025, 2))
    soundfile.write(tmp_path / "song.wav", samples, 11_025, subtype="PCM_16")
    return tmp_path / "song.wav"


def restyle(song, folder, out, strength=1.0, keep=None, style="carol", **wanted):
    outcomes = restyle_songs([song], lambda: load(folder, style, MANNER, strength, keep), Wanted(out, **wanted))
    assert not outcomes[0].error, outcomes[0].error
    return outcomes[0]


def test_the_file_has_the_songs_form_and_length(song, folder, tmp_path):
    path = restyle(song, folder, tmp_path / "out").files["carol"]
    assert path == tmp_path / "out/song/carol.flac"
    assert audio.facts(path) == audio.facts(song)
    left, right = audio.read(path).T
    assert np.array_equal(left, right) and np.abs(left).max() > 0


def test_no_strength_is_the_song_to_the_last_bit_and_half_is_between(song, folder, tmp_path):
    found = {share: audio.read(restyle(song, folder, tmp_path / str(share), share).files["carol"]) for share in (0.0, 0.5, 1.0)}
    np.testing.assert_array_equal(found[0.0], audio.read(song))
    np.testing.assert_allclose(found[0.5], (found[0.0] + found[1.0]) / 2, atol=1e-6)


def test_what_was_finished_is_not_done_again_unless_something_changed(song, folder, tmp_path):
    assert not restyle(song, folder, tmp_path / "out").again
    assert restyle(song, folder, tmp_path / "out").again
    assert not restyle(song, folder, tmp_path / "out", strength=0.7).again


def test_a_kept_voice_is_the_separators_own(song, folder, tmp_path):
    """With no strength the band is as it was, so voice and band are the song again."""
    usual = Separate(window_seconds=8.0, overlap=0.25, batch_size=4, accelerator="cpu", int8=False)
    keep = Method(folder_of(Path("songs")), usual, 0)
    np.testing.assert_array_equal(audio.read(restyle(song, folder, tmp_path / "same", 0.0, keep).files["carol"]), audio.read(song))
    kept = audio.read(restyle(song, folder, tmp_path / "kept", 1.0, keep).files["carol"])
    plain = audio.read(restyle(song, folder, tmp_path / "plain", 1.0).files["carol"])
    assert kept.shape == plain.shape and not np.allclose(kept, plain, atol=1e-3)


def test_a_page_has_the_song_and_its_other_style(song, folder, tmp_path):
    page = restyle(song, folder, tmp_path / "out", listen=True).files["listen"].read_text()
    assert page.count("<audio") == 2 and "in the other style" in page


def test_an_unknown_style_is_one_line_that_names_the_known(folder):
    with pytest.raises(UserError, match="has no style tango; it has carol"):
        load(folder, "tango", MANNER, 1.0, None)


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.3])
def test_a_song_shorter_than_a_window_is_restyled_too(folder, tmp_path, seconds):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.4, 0.4, max(1, round(seconds * 8000))), 8000)
    assert audio.facts(restyle(path, folder, tmp_path / "out").files["carol"]).frames == audio.facts(path).frames


def test_silence_is_one_line(folder, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    outcomes = restyle_songs([tmp_path / "silent.wav"], lambda: load(folder, "", MANNER, 1.0, None), Wanted(tmp_path / "out"))
    assert outcomes[0].error == f"{tmp_path / 'silent.wav'}: it is silent; there is nothing to restyle"
    assert not (tmp_path / "out/silent").exists()


def test_the_command_tells_a_program_and_a_person(song, folder, tmp_path, runner):
    def run(*arguments):
        return runner.run(["restyle", *map(str, arguments)], tmp_path, Limits(), 60)

    done = run(song, "--model", folder, "--window", 2, "--json", "--out", tmp_path / "out")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert not done.code and told[-1]["files"] == {"carol": str(tmp_path / "out/song/carol.flac")}
    for arguments, said in (
        ([song], "restyle/models/best is not here; train a model (make restyle, in a checkout), or name one with --model"),
        ([song, "--model", tmp_path], "is not a model that restyles: config.json is missing"),
        ([song, "--model", folder, "--style", "jazz"], "has no style jazz; it has carol"),
        ([tmp_path / "none.wav", "--model", folder], "none.wav"),
    ):
        done = run(*arguments)
        assert done.code == 1 and said in done.err and len(done.err.strip().splitlines()) == 1
