"""All scores of the estimates of one track, as two tables: by frame, and of the whole track.

bsseval.py computes BSSEval, or museval itself does. Both drop frames in which a reference or an
estimate is silent. For a reference that is right, but an estimate must not gain by being silent.
With `silent_estimates: scored` it gets the least noise there is, and so about 0 dB.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import psutil

from unsung.audio import FULL_SCALE, Samples
from unsung.config.schema import Evaluate
from unsung.errors import UserError
from unsung.scoring import formulas
from unsung.scoring.bsseval import BSSEval


def _museval_metrics() -> ModuleType:
    """The module museval.metrics alone; importing the package fails without the program ffmpeg."""
    package = importlib.util.find_spec("museval")
    assert package is not None and package.origin is not None
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


museval_metrics = _museval_metrics()  # here, so that parallel.py limits the threads of all that it loads
MEASURES = ("sdr", "isr", "sir", "sar")  # of a frame: BSSEval v4
SOURCES = ("v3_sdr", "v3_sir", "v3_sar")  # of a whole track: BSSEval v3
WHOLE = ("global_sdr", "si_sdr", "stft_distance", *SOURCES)
REASONS = ("", "silent reference", "silent estimate")  # why a frame has no score
DECIMALS = 6  # of a score in dB in a file
MAX_CONDITION = 1e12  # beyond it, rounding shows in ISR, SIR and SAR


class Scorer:
    """Scores the estimates of one track, by one or many systems.

    `references` are (frame, channel). Estimates may be missing for the last of them; these still
    count as possible interference.

    Raises:
        UserError: so long filters do not fit the memory.
    """

    def __init__(self, references: Mapping[str, Samples], sample_rate: int, settings: Evaluate) -> None:
        self.names, self.settings, self.sample_rate = list(references), settings, sample_rate
        self.references = np.stack(list(references.values()))
        _check_memory(self.references, settings.filter_taps)
        self.window = min(round(settings.window_seconds * sample_rate), self.references.shape[1])
        self.bsseval = BSSEval(self.references, self.window, settings.filter_taps)

    def tables(self, systems: Mapping[str, Mapping[str, Samples]], track: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`frames` and `whole` of all systems, with the columns `track` and `system`."""
        frames = [self.frames(estimates).assign(track=track, system=system) for system, estimates in systems.items()]
        whole = [self.whole(estimates).assign(track=track, system=system) for system, estimates in systems.items()]
        return pd.concat(frames, ignore_index=True), pd.concat(whole, ignore_index=True)

    def frames(self, estimates: Mapping[str, Samples]) -> pd.DataFrame:
        """BSSEval v4: source, frame, start (seconds), sdr, isr, sir, sar (dB), dropped.

        `dropped` is one of REASONS; a frame that was dropped has no scores (NaN).
        """
        signals = self._stacked(estimates, self.window)
        scores = self._museval(signals) if self.settings.engine == "museval" else self.bsseval.images(signals)
        dropped = self._dropped(signals)
        number = np.arange(len(dropped))
        place = {"frame": number, "start": number * self.window / self.sample_rate}
        tables = [
            pd.DataFrame({"source": name, **place, **dict(zip(MEASURES, own, strict=True)), "dropped": dropped})
            for name, own in zip(self.names, scores.swapaxes(0, 1), strict=False)
        ]
        return pd.concat(tables, ignore_index=True)

    def whole(self, estimates: Mapping[str, Samples]) -> pd.DataFrame:
        """One row for each source: seconds, the measures of WHOLE, ill_posed.

        `ill_posed`: ISR, SIR and SAR depend on rounding, because the references leave a band empty
        (docs/metrics.md). The noise for silent estimates is for BSSEval only: their SI-SDR is -inf.
        """
        frames = self.references.shape[1]
        signals = self._stacked(estimates, frames)
        v3 = self._museval_sources(signals) if self.settings.engine == "museval" else self.bsseval.whole(signals)
        rows = [
            {
                "source": name,
                "seconds": frames / self.sample_rate,
                "global_sdr": formulas.global_sdr(reference, estimate),
                "si_sdr": formulas.si_sdr(reference, estimate),
                "stft_distance": formulas.stft_distance(reference, estimate),
                **dict(zip(SOURCES, own, strict=True)),
                "ill_posed": self.bsseval.condition > MAX_CONDITION,
            }
            for name, reference, estimate, own in zip(self.names, self.references, self._stacked(estimates, 0), v3.T, strict=False)
        ]
        return pd.DataFrame(rows)

    def _stacked(self, estimates: Mapping[str, Samples], window: int) -> np.ndarray:
        """(source, frame, channel); silent windows get noise if wanted and if `window` is not 0."""
        signals = np.stack([estimates[name] for name in self.names[: len(estimates)]])
        return audible(signals, window) if window and self.settings.silent_estimates == "scored" else signals

    def _dropped(self, estimates: np.ndarray) -> np.ndarray:
        silent = [np.any([formulas.silent(x, self.window) for x in signals], axis=0) for signals in (self.references, estimates)]
        return np.select(silent, REASONS[1:], REASONS[0])

    def _museval(self, estimates: np.ndarray) -> np.ndarray:
        dropped = self._dropped(estimates) != ""
        if dropped.all():  # museval would raise
            return np.full((4, len(estimates), len(dropped)), np.nan)
        return self._bss_eval(estimates, window=self.window, hop=self.window)

    def _museval_sources(self, estimates: np.ndarray) -> np.ndarray:
        frames = self.references.shape[1]
        if any(formulas.silent(signal, frames).any() for signal in (*self.references, *estimates)):
            return np.full((3, len(estimates)), np.nan)
        scores = self._bss_eval(estimates, window=np.inf, hop=np.inf, framewise_filters=True, bsseval_sources_version=True)
        return scores[[0, 2, 3], :, 0]

    def _bss_eval(self, estimates: np.ndarray, **options: float | bool) -> np.ndarray:
        """(measure, source, window); museval wants as many estimates as references."""
        filled = np.concatenate([estimates, self.references[len(estimates) :]]).astype(np.float64)
        taps = self.settings.filter_taps
        scores = museval_metrics.bss_eval(self.references.astype(np.float64), filled, filters_len=taps, **options)
        return np.stack(scores[:4])[:, : len(estimates)]


def _check_memory(references: np.ndarray, taps: int) -> None:
    """Raise a UserError if the normal equations do not fit: the system would end the program instead."""
    needed = 3 * 8 * (references.shape[0] * references.shape[2] * taps) ** 2  # bytes: the Gram matrix, its factors, a copy
    if needed > (free := psutil.virtual_memory().available):
        what = f"{taps:.3g} filter taps need {needed / 1e9:.3g} GB for each track, {free / 1e9:.0f} GB of memory are free"
        raise UserError(f"{what}; take fewer (512 is usual)")


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of Scorer.tables, their scores to DECIMALS places; what is infinite or NaN stays.

    Machines add up in different orders, so that scores differ by 1e-14 to 1e-7 dB. Rounded they are
    the same, but for one that lies about as near to the middle between two steps: where scores
    differ by 1e-9 dB, one in a thousand.
    """
    scores = table.columns.intersection([*MEASURES, *WHOLE])
    return table.assign(**{name: table[name].round(DECIMALS) + 0.0 for name in scores})  # -0.0 + 0.0 is 0.0


def audible(estimates: np.ndarray, window: int) -> np.ndarray:
    """Estimates (source, frame, channel), with half a 24-bit step of noise in silent windows."""
    estimates, rng = estimates.copy(), np.random.default_rng(0)
    for source in estimates:
        for piece in formulas.windows(len(source), window):
            if not source[piece].sum(axis=1).any():
                size = source[piece].shape
                source[piece] += rng.uniform(0.1, 0.5, size) / FULL_SCALE * rng.choice([-1, 1], (size[0], 1))
    return estimates
