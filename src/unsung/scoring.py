"""How near an estimate is to its reference: BSSEval v4 by museval, frame by frame.

SDR, ISR, SIR and SAR of images in windows of a second with time-invariant 512-tap distortion filters, as in SiSEC 2018
(Stoeter, Liutkus and Ito 2018, arXiv 1804.06267; Vincent, Gribonval and Fevotte 2006, doi:10.1109/TSA.2005.858005). museval
drops a frame for all sources when any reference or estimate is exactly silent in it. That is right for a reference, where the
ratios have no meaning, but an estimate must not gain by saying nothing: a silent frame of it gets the least noise there is, so
it scores 0 dB instead of vanishing.

Beside it BSSEval v3 sources of whole tracks (Vincent et al. 2006), which the literature on MIR-1K gives: a source filtered by 512
taps is still that source, so there is no ISR, and SDR counts no filtering as an error.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from unsung.audio import FULL_SCALE, Samples


def _museval_metrics() -> ModuleType:
    """The module museval.metrics without the package around it, whose import fails where the ffmpeg program is missing."""
    package = importlib.util.find_spec("museval")
    assert package is not None and package.origin is not None
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


museval_metrics = _museval_metrics()  # at once: what it loads must be there before parallel.py puts libraries on one thread
MEASURES = ("sdr", "isr", "sir", "sar")
WHOLE = ("sdr", "sir", "sar")
Frames = Float[np.ndarray, " _frame"]


def framewise_sdr(reference: Samples, estimate: Samples, window: int) -> Frames:
    """SDR in dB of each window of `window` frames; NaN where the reference is silent. Equal to BSSEval v4's SDR.

    10 log10(sum reference^2 / sum (estimate - reference)^2): as images are compared, no filter enters.
    """
    count = max(1, len(reference) // window)
    pieces = [slice(i * window, (i + 1) * window) for i in range(count)]
    signal = np.array([np.square(reference[piece], dtype=np.float64).sum() for piece in pieces])
    error = np.array([np.square(estimate[piece] - reference[piece], dtype=np.float64).sum() for piece in pieces])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(signal > 0, 10 * np.log10(signal / np.maximum(error, np.finfo(float).tiny)), np.nan)


def score(
    references: Mapping[str, Samples], estimates: Mapping[str, Samples], sample_rate: int, window_seconds: float, taps: int
) -> pd.DataFrame:
    """BSSEval v4 of all sources of a track: source, frame, start (seconds), sdr, isr, sir, sar (dB), silent.

    `silent` are frames in which a reference is silent: they have no scores (NaN). A track with a source that is silent from
    beginning to end has only such frames.
    """
    names = list(references)
    window = round(window_seconds * sample_rate)
    truth = np.stack([references[name] for name in names]).astype(np.float64)
    found = np.stack([estimates[name] for name in names]).astype(np.float64)
    silent = silent_frames(truth, window)
    if silent.all():
        values = np.full((4, len(names), len(silent)), np.nan)
    else:
        values = _bss_eval(truth, _audible(found, window), window, taps, silent)
    return pd.concat(
        [
            pd.DataFrame(
                {"source": name, "frame": np.arange(len(silent)), "start": np.arange(len(silent)) * window_seconds}
                | {measure: values[m, i] for m, measure in enumerate(MEASURES)}
                | {"silent": silent}
            )
            for i, name in enumerate(names)
        ],
        ignore_index=True,
    )


def score_whole(references: Mapping[str, Samples], estimates: Mapping[str, Samples], taps: int) -> pd.DataFrame:
    """BSSEval v3 sources over a whole track, as mir_eval.separation.bss_eval_sources has them: source, sdr, sir, sar (dB).

    NaN where some reference is silent from beginning to end.
    """
    names = list(references)
    truth = np.stack([references[name] for name in names]).astype(np.float64)
    found = np.stack([estimates[name] for name in names]).astype(np.float64)
    length = truth.shape[1]
    if silent_frames(truth, length).any():
        return pd.DataFrame({"source": names} | dict.fromkeys(WHOLE, np.nan))
    sdr, _, sir, sar, _ = museval_metrics.bss_eval(
        truth, _audible(found, length), window=np.inf, hop=np.inf, filters_len=taps, framewise_filters=True,
        bsseval_sources_version=True,
    )  # fmt: skip
    return pd.DataFrame({"source": names, "sdr": sdr[:, 0], "sir": sir[:, 0], "sar": sar[:, 0]}).replace([np.inf, -np.inf], np.nan)


def silent_frames(sources: Float[np.ndarray, "_source _frame _channel"], window: int) -> Bool[np.ndarray, " _window"]:
    """Windows in which some source is silent, or which lie in a track where one is silent throughout.

    As museval has it, a source is silent where its channels add up to nothing.
    """
    sums = sources.sum(axis=2)
    frames = [sums[:, i * window : (i + 1) * window] for i in range(max(1, sums.shape[1] // window))]
    never = not sums.any(axis=1).all()
    return np.array([never or not frame.any(axis=1).all() for frame in frames])


def _bss_eval(truth: np.ndarray, found: np.ndarray, window: int, taps: int, silent: np.ndarray) -> np.ndarray:
    """museval's measures, (measure, source, window)."""
    sdr, isr, sir, sar, _ = museval_metrics.bss_eval(truth, found, window=window, hop=window, filters_len=taps)
    values = np.stack([sdr, isr, sir, sar])[..., : len(silent)]
    values[..., silent] = np.nan
    return np.where(np.isfinite(values), values, np.nan)


def _audible(estimates: np.ndarray, window: int) -> np.ndarray:
    """The estimates, with noise of half a 24-bit step where one is silent for a window."""
    found, rng = estimates.copy(), np.random.default_rng(0)
    for source in found:
        for start in range(0, source.shape[0], window):
            piece = source[start : start + window]
            if not piece.sum(axis=1).any():
                piece += rng.uniform(0.1, 0.5, piece.shape) / FULL_SCALE * rng.choice([-1, 1], (len(piece), 1))
    return found
