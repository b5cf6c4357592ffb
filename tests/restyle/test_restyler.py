import json

import pytest
import torch

from tests.restyle.conftest import params_with
from unsung.devices import generators
from unsung.errors import UserError
from unsung.restyle.model import Model, write_way
from unsung.restyle.restyler import Restyler
from unsung.restyle.training import config_of
from unsung.restyle.vocoder.network import Vocoder, begin


def restyler(**changes):
    torch.manual_seed(0)
    return Restyler(config_of(params_with({key.replace("__", "."): value for key, value in changes.items()}))).eval()


@pytest.fixture
def folder(tmp_path, small):
    model = restyler()
    model.save(tmp_path / "model")
    begin(model.config.mel, small.vocoder.network, 0).save(tmp_path / "model/vocoder")
    write_way(tmp_path / "model", "network")
    return tmp_path / "model"


@pytest.mark.parametrize("process", ["predictive", "bridge", "ddpm"])
@pytest.mark.parametrize("pairs", ["aligned", "unaligned"])
def test_a_model_comes_back_as_it_was_saved(tmp_path, process, pairs):
    if (process, pairs) == ("bridge", "unaligned"):
        pytest.skip("a bridge needs pairs")
    model, sound = restyler(model__process=process, train__pairs=pairs, processes__ddpm__calls=2), torch.randn(1, 4000) * 0.1
    model.save(tmp_path / "one")
    again = Restyler.load(tmp_path / "one")
    again.save(tmp_path / "two")
    for name in ("config.json", "weights.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rngs = [generators([(0,)], torch.device("cpu")) for _ in range(2)]
    with torch.inference_mode():
        found = model(sound, rngs[0])
        assert torch.equal(found, again(sound, rngs[1]))
    assert found.shape == (1, 32, 4000 // 64 + 1) and found.isfinite().all()


def test_a_folder_that_is_not_whole_is_one_line(folder):
    for name in ("config.json", "weights.safetensors", "vocoder/config.json", "vocoder/weights.safetensors", "way.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(UserError, match=r"; (name one|get the)"):
            Model.load(folder)
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=r"; get the (model|vocoder) anew"):
            Model.load(folder)
        (folder / name).write_bytes(content)
    assert Model.load(folder).way.turns == 0


def test_weights_of_another_network_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    config["network"]["dim"] = 32
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="the config wants float32"):
        Restyler.load(folder)


def test_a_vocoder_of_other_mels_is_refused(folder, small):
    mel = Vocoder.load(folder / "vocoder").mel
    begin(type(mel)(16_000, 256, 64, 32), small.vocoder.network, 0).save(folder / "vocoder")
    with pytest.raises(UserError, match="takes other log-mels than the model gives"):
        Model.load(folder)


def test_the_way_can_be_chosen(folder):
    assert Model.load(folder, "griffin_lim").way.turns == 32
    assert Model.load(folder, "network+griffin_lim").way.turns == 1
    with pytest.raises(UserError, match="there is no vocoder wavenet; choose network"):
        Model.load(folder, "wavenet")
