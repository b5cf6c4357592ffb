"""Cheap answers, none of which may win, and two yardsticks: the truth and its mels.

What is learned is learned from training pairs alone. A vocoder makes log-mels audible.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.equaliser import fit_equaliser
from unsung.restyle.features import Content, Mono, chroma_similarity, content, onset_correlation
from unsung.restyle.mel import LogMel, Mel
from unsung.restyle.pairs import Pair, System, fitted
from unsung.restyle.ridge import Ridge, fit_ridge

Vocoder = Callable[[LogMel], Tensor]  # log-mels (band, frame) -> waveform (sample,)

INPUT, EQUALISER, TRUTH = "input", "equaliser", "truth"
BESIDE = (-8, -4, -2, -1, 0, 1, 2, 4, 8)  # the frames that the linear regression sees
PENALTY = 1e-3


def baselines(train: Sequence[Pair], mel: Mel, vocoder: Vocoder) -> dict[str, System]:
    """Every baseline by its name, fitted on the training pairs."""
    return {
        INPUT: lambda song: song.input,
        EQUALISER: fit_equaliser(train, mel),
        "nearest training song": fit_nearest(train, mel.sample_rate),
        "mean frame": fit_mean_frame(train, mel, vocoder),
        "linear regression": fit_regression(train, mel, vocoder),
        "mels of the truth": lambda song: _spoken(log_mel(song.truth, mel), vocoder, len(song.truth)),
        TRUTH: lambda song: song.truth,
    }


def log_mel(waveform: Mono, mel: Mel) -> LogMel:
    """The log-mels (band, frame) of a waveform."""
    return mel.forward(torch.from_numpy(np.ascontiguousarray(waveform, np.float32)))


@dataclass(frozen=True)
class Nearest:
    """The target of the training song whose input is most like this input, frame by frame."""

    train: Sequence[Pair]
    heard: Sequence[Content]  # in their inputs
    sample_rate: int

    def __call__(self, song: Pair) -> Mono:
        """A recording of another song, cut or filled with silence to the length of this one."""
        mine = content(song.input, self.sample_rate)
        alike = [chroma_similarity(mine, each) + onset_correlation(mine, each) for each in self.heard]
        return fitted(self.train[int(np.argmax(alike))].truth, len(song.input))


def fit_nearest(train: Sequence[Pair], sample_rate: int) -> Nearest:
    """Chroma and onsets of all training inputs."""
    return Nearest(train, [content(pair.input, sample_rate) for pair in train], sample_rate)


def fit_mean_frame(train: Sequence[Pair], mel: Mel, vocoder: Vocoder) -> System:
    """The mean log-mel frame of the targets, held for as long as the song lasts."""
    frame = torch.stack([log_mel(pair.truth, mel).mean(dim=-1) for pair in train]).mean(dim=0)

    def held(song: Pair) -> Mono:
        return _spoken(frame[:, None].repeat(1, len(song.input) // mel.hop_length + 1), vocoder, len(song.input))

    return held


@dataclass(frozen=True)
class Regression:
    """A linear map from a few frames of the input's log-mels to one of the target's."""

    ridge: Ridge
    mel: Mel
    vocoder: Vocoder

    def __call__(self, song: Pair) -> Mono:
        """What it predicts, made audible."""
        predicted = torch.from_numpy(self.ridge(_context(log_mel(song.input, self.mel))).T.astype(np.float32))
        return _spoken(predicted, self.vocoder, len(song.input))


def fit_regression(train: Sequence[Pair], mel: Mel, vocoder: Vocoder) -> Regression:
    """Ridge regression over all frames of the training pairs."""

    def pieces() -> Iterator[tuple[Float[np.ndarray, "frame _input"], Float[np.ndarray, "frame band"]]]:
        for pair in train:
            yield _context(log_mel(pair.input, mel)), log_mel(pair.truth, mel).numpy().T

    return Regression(fit_ridge(pieces(), PENALTY), mel, vocoder)


def _context(log_mels: LogMel) -> Float[np.ndarray, "frame _input"]:
    """Each frame with those BESIDE it; the first and the last frame go on beyond the ends."""
    frames = log_mels.numpy().T
    places = np.clip(np.arange(len(frames))[:, None] + np.array(BESIDE), 0, len(frames) - 1)
    return frames[places].reshape(len(frames), -1)


def _spoken(log_mels: LogMel, vocoder: Vocoder, length: int) -> Mono:
    return fitted(vocoder(log_mels).detach().cpu().numpy(), length)
