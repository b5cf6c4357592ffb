import json

import pytest
import torch

from tests.conftest import changed
from unsung.config.registry import NETWORKS, PROCESSES
from unsung.devices import generators
from unsung.errors import UserError
from unsung.files import sha256
from unsung.models.separator import Config, Separator


def rngs(*numbers):
    return generators([(0, n) for n in numbers], torch.device("cpu"))


@pytest.mark.parametrize("targets", [("vocals",), ("vocals", "drums")])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("process", list(PROCESSES))
def test_it_gives_a_counterfactual_for_each_target(params, targets, channels, process):
    mine = changed(params, model__targets=targets, audio__channels=channels, model__process=process)
    separator = Separator(Config.of(mine, covers_song=False))
    mixture = torch.randn(2, channels, 3000)
    assert separator.counterfactual(mixture, rngs(0, 1)).shape == (2, len(targets), channels, 3000)


def test_a_mask_of_zero_leaves_the_mixture_and_one_of_one_takes_it_all(separator):
    mixture = torch.randn(1, 1, 4000)
    for value in (0.0, 1.0):
        separator.network = Constant(value)
        found = separator.counterfactual(mixture, rngs(0))[:, 0]
        torch.testing.assert_close(found, (1 - value) * mixture, atol=1e-5, rtol=0)


class Constant(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value + 0j))

    def forward(self, state, mixture, time):
        return self.value.expand(state.shape)


def test_loudness_does_not_matter(separator):
    mixture = torch.randn(1, 1, 4000)
    found = separator.counterfactual(mixture, rngs(0))
    torch.testing.assert_close(separator.counterfactual(0.01 * mixture, rngs(0)), 0.01 * found, atol=1e-6, rtol=1e-3)


def test_silence_is_separated_into_silence(separator):
    separator.sample_with(separator.process.settings.changed(calls=3))
    found = separator.counterfactual(torch.zeros(1, 1, 4000), rngs(0))
    assert not found.any()


@pytest.mark.parametrize("process", list(PROCESSES))
def test_the_loss_falls_when_it_is_followed(params, process):
    torch.manual_seed(0)
    separator = Separator(Config.of(changed(params, model__process=process), covers_song=False))
    stems = torch.randn(2, 2, 1, 129, 40, dtype=torch.complex64)
    stems[:, 0, :, 60:] = 0
    optimizer = torch.optim.Adam(separator.parameters(), 1e-2)
    values = []
    for step in range(30):
        loss = separator.loss(stems, params.train.loss, rngs(2 * step, 2 * step + 1))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss))
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("process", list(PROCESSES))
def test_every_crossing_is_built_from_the_params_and_saved(params, network, process, tmp_path):
    small = {"networks__unet__widths": (8, 16), "networks__tfswa_unet__dims": (8, 16, 16, 32), "networks__crnn__hidden_size": 8}
    crossing = changed(params, model__network=network, model__process=process, **small)
    Separator(Config.of(crossing, covers_song=False)).save(tmp_path)
    found = Separator.load(tmp_path).counterfactual(torch.randn(1, 1, 3000), rngs(0))
    assert found.shape == (1, 1, 1, 3000) and found.isfinite().all()


def test_a_model_is_read_as_it_was_saved_and_is_the_same_bytes_again(separator, tmp_path):
    separator.save(tmp_path / "a")
    loaded = Separator.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    mixture = torch.randn(1, 1, 4000)
    for one in (loaded, separator):
        one.sample_with(one.process.settings.changed(calls=2))
    assert torch.equal(loaded.counterfactual(mixture, rngs(0)), separator.counterfactual(mixture, rngs(0)))
    for name in ("config.json", "weights.safetensors"):
        assert sha256(tmp_path / "a" / name) == sha256(tmp_path / "b" / name)


def test_a_folder_that_is_no_model_is_one_line(separator, tmp_path):
    with pytest.raises(UserError, match="is not a model folder: config.json is missing"):
        Separator.load(tmp_path)
    separator.save(tmp_path / "a")
    (tmp_path / "a" / "weights.safetensors").write_bytes(b"junk")
    with pytest.raises(UserError, match="weights.safetensors is not a whole safetensors file"):
        Separator.load(tmp_path / "a")
    separator.save(tmp_path / "b")
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    for key, value, said in (
        ("network", "transformer", "network in .*config.json is 'transformer': this version of unsung knows band_split"),
        ("targets", ["vocals", "drums"], "weights.safetensors has network.* the config wants F32"),
        ("format", "x", "format in .*config.json is 'x': this version of unsung reads format 2"),
    ):
        (tmp_path / "b" / "config.json").write_text(json.dumps({**config, key: value}))
        with pytest.raises(UserError, match=said):
            Separator.load(tmp_path / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a model folder"):
        Separator.load(tmp_path / "file")


def test_the_sampling_of_another_process_is_refused(separator, params):
    with pytest.raises(UserError, match="the model works by bridge"):
        separator.sample_with(params.processes.ddpm)


def test_a_model_of_few_timesteps_is_read(params, tmp_path):
    """Fewer than ddpm's default calls."""
    few = changed(params, model__process="ddpm", processes__ddpm__forward__timesteps=8, processes__ddpm__calls=4)
    Separator(Config.of(few, covers_song=False)).save(tmp_path)
    assert Separator.load(tmp_path).process.settings.calls == 8


def test_generators_follow_their_numbers_alone():
    a, b, c = generators([(1, 2), (1, 2), (2, 1)], torch.device("cpu"))
    first, second, third = (torch.rand(3, generator=rng) for rng in (a, b, c))
    assert torch.equal(first, second) and not torch.equal(first, third)
