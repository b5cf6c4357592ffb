"""Which way from log-mels to a waveform is the best on held-out songs, and the table of it."""

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from unsung.restyle.mel import Mel
from unsung.restyle.vocoder.network import Vocoder
from unsung.restyle.vocoder.streaming import NAMES, Name, System, system
from unsung.restyle.vocoder.training import Pair
from unsung.spectrum import Stft

WINDOWS = (2048, 512, 128)  # samples; a long one favours Griffin-Lim, whose attacks are smeared
QUIET = 1e-4  # -80 dB of a full-scale sine: below it, levels are not compared
MEASURES = ("lsd", "mel_l1", *(f"stft_{size}" for size in WINDOWS))
Waveform = Float[Tensor, " sample"]


def better(vocoder: Vocoder, pairs: Sequence[Pair]) -> tuple[Name, pd.DataFrame]:
    """The best way for such log-mels, and the table.

    That is the network, with Griffin-Lim after it or without, whose mean ratio to plain Griffin-Lim
    over the measures is least; and Griffin-Lim itself, if none is at least as good in every measure
    and as fast.
    """
    table = compared(vocoder, pairs)
    return chosen(table), table


def compared(vocoder: Vocoder, pairs: Sequence[Pair]) -> pd.DataFrame:
    """A row for each way: the means of the measures over the songs, and how much work it is.

    `seconds` are those of the processor, on one thread, for a second of sound; no two runs measure
    the same.
    """
    rows = []
    for name in NAMES:
        way = system(name, vocoder)
        found, seconds = zip(*(_judged(way, *pair) for pair in pairs), strict=True)
        length = sum(len(waveform) for _, waveform in pairs) / vocoder.mel.sample_rate
        means = {measure: float(np.mean([scores[measure] for scores in found])) for measure in MEASURES}
        rows.append({"system": name, **means, "seconds": sum(seconds) / length})
    return pd.DataFrame(rows)


def chosen(table: pd.DataFrame) -> Name:
    """The way that `better` prefers by this table."""
    rows = table.set_index("system")
    ratios = rows / rows.loc["griffin_lim"]
    fair = ratios[(ratios <= 1).all(axis=1)]  # Griffin-Lim itself always is
    name: Name = fair[list(MEASURES)].mean(axis=1).idxmin()
    return name


def measures(estimate: Waveform, truth: Waveform, mel: Mel) -> dict[str, float]:
    """How far a waveform is from the true one, by magnitudes only; 0 if they are equal.

    `lsd`: the log-spectral distance in dB, at the STFT of `mel`: root mean square over frequencies,
    mean over frames. `mel_l1`: the mean difference of log-mels. `stft_N`: spectral convergence and
    the mean difference of log magnitudes (arXiv 1910.11480, eqs. 3 to 6), windows of N samples.
    """
    levels = [20 * _magnitudes(wave, mel.stft).log10() for wave in (estimate, truth)]
    return {
        "lsd": float((levels[0] - levels[1]).square().mean(-2).sqrt().mean()),
        "mel_l1": float((mel.forward(estimate) - mel.forward(truth)).abs().mean()),
        **{f"stft_{size}": _distance(estimate, truth, Stft(size, size // 4)) for size in WINDOWS},
    }


def _judged(way: System, log_mel: Float[Tensor, "band frame"], truth: Waveform) -> tuple[dict[str, float], float]:
    """The measures of a song, and the seconds of work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    begun = time.process_time()
    estimate = way.waveform(log_mel, 0)
    seconds = time.process_time() - begun
    torch.set_num_threads(threads)
    return measures(estimate, truth[: len(estimate)], way.mel), seconds


def _magnitudes(waveform: Waveform, stft: Stft) -> Float[Tensor, "freq frame"]:
    """1 for a full-scale sine, and at least QUIET."""
    return (stft.forward(waveform).abs() * (4 / stft.n_fft)).clamp_min(QUIET)


def _distance(estimate: Waveform, truth: Waveform, stft: Stft) -> float:
    ours, theirs = _magnitudes(estimate, stft), _magnitudes(truth, stft)
    return float((ours - theirs).norm() / theirs.norm() + (ours.log() - theirs.log()).abs().mean())
