"""Cheap answers, none of which may win, and two yardsticks: the truth and its mels.

What is learned is learned from training songs alone. A vocoder makes log-mels audible.
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
from unsung.restyle.pairs import Examples, Pair, Song, System, fitted
from unsung.restyle.ridge import Ridge, fit_ridge

Vocoder = Callable[[LogMel], Tensor]  # log-mels (band, frame) -> waveform (sample,)

INPUT, EQUALISER, NEAREST, REGRESSION = "input", "equaliser", "nearest training song", "linear regression"
TRUE_MELS, TRUTH = "mels of the truth", "truth"  # yardsticks, which know the truth
BESIDE = (-8, -4, -2, -1, 0, 1, 2, 4, 8)  # the frames that the linear regression sees
PENALTY = 1e-3


def baselines(train: Examples, mel: Mel, vocoder: Vocoder) -> dict[str, System]:
    """Every baseline by its name, fitted on the training songs; some need pairs."""
    found: dict[str, System] = {
        INPUT: lambda song: song.input,
        EQUALISER: fit_equaliser(train, mel),
        NEAREST: fit_nearest(train, mel.sample_rate),
        "mean frame": fit_mean_frame(train, mel, vocoder),
    }
    if train.paired:
        found[REGRESSION] = fit_regression(train, mel, vocoder)
        found[TRUE_MELS] = lambda song: _spoken(log_mel(truth(song), mel), vocoder, len(song.input))
        found[TRUTH] = truth
    return found


def truth(song: Song) -> Mono:
    """The song in the target style, which only a pair has."""
    assert isinstance(song, Pair)
    return song.truth


def log_mel(waveform: Mono, mel: Mel) -> LogMel:
    """The log-mels (band, frame) of a waveform."""
    return mel.forward(torch.from_numpy(np.ascontiguousarray(waveform, np.float32)))


@dataclass(frozen=True)
class Nearest:
    """The target whose own input, or itself where there are no pairs, is most like this input."""

    targets: Sequence[Mono]
    heard: Sequence[Content]
    sample_rate: int

    def __call__(self, song: Song) -> Mono:
        """A recording of another song, cut or filled with silence to the length of this one."""
        mine = content(song.input, self.sample_rate)
        alike = [chroma_similarity(mine, each) + onset_correlation(mine, each) for each in self.heard]
        return fitted(self.targets[int(np.argmax(alike))], len(song.input))


def fit_nearest(train: Examples, sample_rate: int) -> Nearest:
    """Chroma and onsets of all training songs, frame by frame."""
    known = train.inputs if train.paired else train.targets
    return Nearest(train.targets, [content(waveform, sample_rate) for waveform in known], sample_rate)


def fit_mean_frame(train: Examples, mel: Mel, vocoder: Vocoder) -> System:
    """The mean log-mel frame of the targets, held for as long as the song lasts."""
    frame = torch.stack([log_mel(target, mel).mean(dim=-1) for target in train.targets]).mean(dim=0)

    def held(song: Song) -> Mono:
        return _spoken(frame[:, None].repeat(1, len(song.input) // mel.hop_length + 1), vocoder, len(song.input))

    return held


@dataclass(frozen=True)
class Regression:
    """A linear map from a few frames of the input's log-mels to one of the target's."""

    ridge: Ridge
    mel: Mel
    vocoder: Vocoder

    def __call__(self, song: Song) -> Mono:
        """What it predicts, made audible."""
        predicted = torch.from_numpy(self.ridge(_context(log_mel(song.input, self.mel))).T.astype(np.float32))
        return _spoken(predicted, self.vocoder, len(song.input))


def fit_regression(train: Examples, mel: Mel, vocoder: Vocoder) -> Regression:
    """Ridge regression over all frames of the training pairs."""

    def pieces() -> Iterator[tuple[Float[np.ndarray, "frame _input"], Float[np.ndarray, "frame band"]]]:
        for song, target in zip(train.inputs, train.targets, strict=True):
            yield _context(log_mel(song, mel)), log_mel(target, mel).numpy().T

    return Regression(fit_ridge(pieces(), PENALTY), mel, vocoder)


def _context(log_mels: LogMel) -> Float[np.ndarray, "frame _input"]:
    """Each frame with those BESIDE it; the first and the last frame go on beyond the ends."""
    frames = log_mels.numpy().T
    places = np.clip(np.arange(len(frames))[:, None] + np.array(BESIDE), 0, len(frames) - 1)
    return frames[places].reshape(len(frames), -1)


def _spoken(log_mels: LogMel, vocoder: Vocoder, length: int) -> Mono:
    return fitted(vocoder(log_mels).detach().cpu().numpy(), length)
