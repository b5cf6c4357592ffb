"""A trained Separator as one ONNX or TorchScript file that runs without unsung, at any length.

    separator   mixture (batch, channel, sample) -> counterfactuals (batch, target, channel, sample)
    call        one network call: state (batch, target, channel, freq, frame, 2), mixture (batch,
                channel, freq, frame, 2), time (batch) -> masks, or the prediction, like the state

ONNX has no complex numbers: the last axis of a call holds real and imaginary parts, as in numpy's
`spectrum.view("float32")`. Spectra are those of `unsung.spectrum`, divided by their RMS. Inside a
separator the STFT is a convolution, and its inverse (Griffin and Lim 1984,
doi:10.1109/TASSP.1984.1164317) a transposed one.
"""

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unsung.errors import UserError
from unsung.files import atomically, check_place
from unsung.models.networks import MaskNetwork
from unsung.models.separator import Separator
from unsung.spectrum import rms_parts

Format = Literal["onnx", "torchscript"]
Part = Literal["separator", "call"]
ENDINGS = {"onnx": "onnx", "torchscript": "pt"}
OPSET = 18
AXES = {  # axes of variable length
    "mixture": {"separator": {0: "batch", 2: "sample"}, "call": {0: "batch", 3: "frame"}},
    "state": {"call": {0: "batch", 4: "frame"}},
    "time": {"call": {0: "batch"}},
    "counterfactual": {"separator": {0: "batch", 3: "sample"}},
    "out": {"call": {0: "batch", 4: "frame"}},
}


def write(model: Path, format: Format, part: Part, out: Path | None = None, int8: bool = False) -> Path:
    """Export the model of a folder to `out`, a file or a folder, and return the path of the file.

    The model's config.json becomes its metadata (ONNX) or an extra file (TorchScript).

    Raises:
        UserError: the model cannot be read or exported like this, or another file is in the way.
    """
    separator = Separator.load(model)
    if part == "separator" and not separator.process.one_call:
        raise UserError(f"{separator.config.process} has no separator of one call; export what a sampler calls: --part call")
    if int8 and format == "onnx":
        raise UserError("int8 is for torchscript: onnxruntime's is no faster (docs/experiments.md); leave --int8 or the format out")
    separator = (separator.quantised() if int8 else separator).requires_grad_(False)
    name = "-".join([model.resolve().name, *["call"] * (part == "call"), *["int8"] * int8]) + f".{ENDINGS[format]}"
    path = out / name if out and out.is_dir() else out or Path(name)
    if check_place(path) and path.stat().st_size and not _is_export(path):
        raise UserError(f"{path} is there and is no exported model; name another file with --out, or remove it")
    module, inputs = _traceable(separator, part)
    facts = {"part": part, **separator.config.model_dump(mode="json")}
    with atomically(path) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of sizes that Python reads; the tests try others
        if format == "onnx":
            _write_onnx(module, inputs, part, partial, facts)
        else:
            traced = torch.jit.trace(module, tuple(inputs.values()), check_trace=False)
            whole = io.BytesIO()  # because torch cannot say why it could not write a file
            torch.jit.save(traced, whole, _extra_files={"config.json": json.dumps(facts)})
            partial.write_bytes(whole.getbuffer())
    return path


def _is_export(path: Path) -> bool:
    """Whether a file is what `write` writes: only such a file is replaced."""
    import onnx  # here: only this and _write_onnx need it
    from google.protobuf.message import DecodeError

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("extra/config.json") for name in archive.namelist())
    try:
        return "part" in {entry.key for entry in onnx.load(str(path), load_external_data=False).metadata_props}
    except DecodeError:
        return False


def _traceable(separator: Separator, part: Part) -> tuple[nn.Module, dict[str, Tensor]]:
    """The module and an example of its input; no axis of variable length may have the size 1."""
    config = separator.config
    mixture = torch.randn(2, config.channels, 2 * config.n_fft + 40 * config.hop_length)
    if part == "separator":
        return OneStep(separator).eval(), {"mixture": mixture}
    spectra = torch.randn(2, 1 + len(config.targets) * separator.process.states, config.channels, config.n_fft // 2 + 1, 40, 2)
    if not separator.process.states:
        return StatelessCall(separator.network).eval(), {"mixture": spectra[:, 0]}
    return Call(separator.network).eval(), {"state": spectra[:, 1:], "mixture": spectra[:, 0], "time": torch.rand(2)}


def _write_onnx(module: nn.Module, inputs: dict[str, Tensor], part: Part, path: Path, facts: dict[str, object]) -> None:
    import onnx

    output = "counterfactual" if part == "separator" else "out"
    axes = {name: AXES[name][part] for name in [*inputs, output]}
    torch.onnx.export(
        module, tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET, dynamic_axes=axes,
        input_names=list(inputs), output_names=[output],
    )  # fmt: skip
    model = onnx.load(str(path))
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))


class Call(nn.Module):
    """One network call, on real and imaginary parts."""

    def __init__(self, network: MaskNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, state: Tensor, mixture: Tensor, time: Tensor) -> Tensor:
        """See the top of this file; the result is (batch, target, channel, freq, frame, 2)."""
        return self.network.masks(torch.cat([mixture, state.flatten(1, 2)], dim=1), time).contiguous()


class StatelessCall(Call):
    """The same for a network that sees the mixture alone."""

    def forward(self, mixture: Tensor) -> Tensor:  # type: ignore[override]
        """Map (batch, channel, freq, frame, 2) to (batch, target, channel, freq, frame, 2)."""
        return self.network.masks(mixture, None).contiguous()


class OneStep(nn.Module):
    """A separator of one network call, from waveform to waveforms."""

    forwards: Tensor
    backwards: Tensor
    power: Tensor

    def __init__(self, separator: Separator) -> None:
        super().__init__()
        config = separator.config
        self.targets, self.n_fft, self.hop_length = len(config.targets), config.n_fft, config.hop_length
        self.states = separator.process.states
        self.call = (Call if self.states else StatelessCall)(separator.network)
        window = torch.hann_window(config.n_fft, dtype=torch.float64)
        waves = torch.fft.rfft(torch.eye(config.n_fft, dtype=torch.float64), dim=-1).T  # freq sample
        self.register_buffer("forwards", torch.cat([waves.real, waves.imag])[:, None].mul(window).float())
        unit = torch.eye(config.stft.freqs, dtype=torch.float64)
        back = torch.cat([torch.fft.irfft(spectra, n=config.n_fft, dim=-1) for spectra in (unit, 1j * unit)])
        self.register_buffer("backwards", back[:, None].mul(window).float())
        self.register_buffer("power", window.square()[None, None].float())

    def forward(self, mixture: Tensor) -> Tensor:
        """Map (batch, channel, sample) to (batch, target, channel, sample)."""
        y = self.transform(mixture)
        scale = rms_parts(y)[:, None, None, None, None]
        y = y / scale
        state, time = y.unsqueeze(1).expand(-1, self.targets, -1, -1, -1, -1), torch.ones_like(mixture[:, 0, 0])
        rest = [torch.zeros_like(state)] * (self.states - 1)
        masks = self.call(torch.cat([state, *rest], dim=1), y, time) if self.states else self.call(y)
        real, imaginary = y.unsqueeze(1).unbind(-1)
        share, turn = (1 - masks[..., 0]), -masks[..., 1]
        counterfactual = torch.stack([share * real - turn * imaginary, share * imaginary + turn * real], dim=-1)
        return self.inverse(counterfactual * scale[:, None], mixture.shape[-1])

    def transform(self, waveform: Tensor) -> Tensor:
        """Map (batch, channel, sample) to (batch, channel, freq, frame, 2)."""
        lines = waveform.reshape(-1, 1, waveform.shape[-1])
        spectra = nn.functional.conv1d(lines, self.forwards, stride=self.hop_length, padding=self.n_fft // 2)
        parts = spectra.reshape(waveform.shape[0], -1, 2, self.n_fft // 2 + 1, spectra.shape[-1])
        return parts.permute(0, 1, 3, 4, 2)

    def inverse(self, spectra: Tensor, length: int) -> Tensor:
        """Map (batch, target, channel, freq, frame, 2) to (batch, target, channel, sample)."""
        lines = spectra.permute(0, 1, 2, 5, 3, 4).reshape(-1, self.n_fft + 2, spectra.shape[-2])
        steps: dict[str, Any] = {"stride": self.hop_length, "padding": self.n_fft // 2, "output_padding": self.hop_length - 1}
        waveforms = nn.functional.conv_transpose1d(lines, self.backwards, **steps)
        windows = nn.functional.conv_transpose1d(torch.ones_like(lines[:1, :1]), self.power, **steps)
        return (waveforms[..., :length] / windows[..., :length]).reshape(spectra.shape[0], self.targets, -1, length)
