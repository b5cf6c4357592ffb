"""Exported files against the model they came from, run by programs that know nothing of unsung."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from jaxtyping import config

from tests.conftest import changed
from unsung import export
from unsung.config.registry import NETWORKS
from unsung.devices import generators
from unsung.errors import UserError
from unsung.models.separator import Config, Separator

SMALL = {
    "networks__unet__widths": (8, 12),
    "networks__tfswa_unet__dims": (8, 16),
    "networks__tfswa_unet__depths": (2, 2),
    "networks__tfswa_unet__heads": (2, 4),
    "networks__crnn__widths": (4, 6, 8),
    "networks__crnn__hidden_size": 12,
}


@pytest.fixture(autouse=True)
def _without_shape_checks():
    """Tracing has sizes that are no integers yet, which the checks do not know."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture
def make(params, tmp_path):
    def build(network="band_split", process="bridge", channels=1, targets=("vocals",), **changes):
        torch.manual_seed(0)
        settings = {"audio__channels": channels, "model__targets": targets, **SMALL, **changes}
        mine = changed(params, model__network=network, model__process=process, **settings)
        separator = Separator(Config.of(mine, covers_song=False)).eval()
        with torch.no_grad():  # some weights begin at zero
            for weight in separator.parameters():
                weight += 0.1 * torch.randn_like(weight)
        separator.save(tmp_path / "model")
        return separator

    return build


def answer(path, **inputs):
    """What the file says."""
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(path).run(None, {name: value.numpy() for name, value in inputs.items()})[0]
    return torch.jit.load(path)(*inputs.values()).numpy()


def rngs(count):
    return generators([(0, n) for n in range(count)], torch.device("cpu"))


EACH = [(network, "bridge") for network in NETWORKS]  # every network, then every process with one of them


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
@pytest.mark.parametrize(("network", "process"), [*EACH, ("band_split", "predictive")])
def test_a_separator_agrees_at_any_length_and_batch(make, tmp_path, network, process, format):
    separator = make(network, process)
    path = export.write(tmp_path / "model", format, "separator", tmp_path / f"a.{export.ENDINGS[format]}")
    for shape in [(1, 1, 3000), (2, 1, 5001), (3, 1, 1111)]:
        mixture = torch.randn(shape)
        with torch.inference_mode():
            expected = separator.counterfactual(mixture, rngs(shape[0])).numpy()
        np.testing.assert_allclose(answer(path, mixture=mixture), expected, atol=1e-4)


ATTENTION = {"networks__band_split__recurrence": "attention"}


@pytest.mark.parametrize(
    "changes", [{"channels": 2}, {"targets": ("vocals", "drums")}, {"networks__band_split__mask": "magnitude"}, ATTENTION]
)
def test_a_separator_of_more_channels_or_targets_or_of_magnitudes_agrees(make, tmp_path, changes):
    separator = make(**changes)
    path = export.write(tmp_path / "model", "onnx", "separator", tmp_path / "a.onnx")
    mixture = torch.randn(2, changes.get("channels", 1), 4001)
    with torch.inference_mode():
        expected = separator.counterfactual(mixture, rngs(2)).numpy()
    np.testing.assert_allclose(answer(path, mixture=mixture), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("process", "forward"),
    [("bridge", {"rest": True}), ("predictive", {"rounds": 3})],
)
def test_a_separator_of_a_process_with_other_states_is_its_one_call(make, tmp_path, process, forward):
    changes = {f"processes__{process}__forward__{name}": value for name, value in forward.items()}
    separator = make(process=process, targets=("vocals", "drums"), **changes)
    path = export.write(tmp_path / "model", "onnx", "separator", tmp_path / "a.onnx")
    separator.sample_in(1, 1)
    mixture = torch.randn(2, 1, 4001)
    with torch.inference_mode():
        expected = separator.counterfactual(mixture, rngs(2)).numpy()
    np.testing.assert_allclose(answer(path, mixture=mixture), expected, atol=1e-4)


@pytest.mark.parametrize("format", ["onnx", "torchscript"])
@pytest.mark.parametrize(("network", "process"), [*EACH, ("band_split", "ddpm"), ("band_split", "predictive")])
def test_a_call_is_the_network(make, tmp_path, network, process, format):
    separator = make(network, process, targets=("vocals", "drums"))
    path = export.write(tmp_path / "model", format, "call", tmp_path / f"a.{export.ENDINGS[format]}")
    freqs = separator.config.n_fft // 2 + 1
    for batch, frames in [(1, 9), (3, 30)]:
        mixture = torch.randn(batch, 1, freqs, frames, dtype=torch.complex64)
        state, time = torch.randn(batch, 2, 1, freqs, frames, dtype=torch.complex64), torch.rand(batch)
        inputs = {"state": torch.view_as_real(state), "mixture": torch.view_as_real(mixture), "time": time}
        if process == "predictive":
            state, time, inputs = None, None, {"mixture": inputs["mixture"]}
        with torch.inference_mode():
            expected = separator.network(state, mixture, time).numpy()
        np.testing.assert_allclose(answer(path, **inputs).view("complex64")[..., 0], expected, atol=1e-4)


def test_a_file_says_what_it_is(make, tmp_path):
    separator = make()
    session = onnxruntime.InferenceSession(export.write(tmp_path / "model", "onnx", "separator", tmp_path / "a.onnx"))
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["targets"]) == ["vocals"] and json.loads(facts["sample_rate"]) == separator.config.sample_rate
    extra = {"config.json": ""}
    torch.jit.load(export.write(tmp_path / "model", "torchscript", "call", tmp_path / "a.pt"), _extra_files=extra)
    assert json.loads(extra["config.json"])["part"] == "call"


def test_eight_bits_are_smaller_and_nearly_the_same(make, tmp_path):
    make(networks__band_split__dim=64)
    plain = export.write(tmp_path / "model", "torchscript", "separator", tmp_path / "a.pt")
    small = export.write(tmp_path / "model", "torchscript", "separator", tmp_path / "b.pt", int8=True)
    mixture = torch.randn(1, 1, 4000)
    found, expected = (answer(path, mixture=mixture) for path in (small, plain))
    assert 0 < np.square(found - expected).sum() < 1e-3 * np.square(expected).sum()
    assert small.stat().st_size < plain.stat().st_size


def test_what_cannot_be_written_is_told(make, tmp_path):
    make(process="ddpm")
    with pytest.raises(UserError, match="ddpm has no separator of one call.*--part call"):
        export.write(tmp_path / "model", "onnx", "separator")
    with pytest.raises(UserError, match="int8 is for torchscript"):
        export.write(tmp_path / "model", "onnx", "call", int8=True)
    with pytest.raises(UserError, match="nowhere is not a model folder"):
        export.write(tmp_path / "nowhere", "onnx", "call")
