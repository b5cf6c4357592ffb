"""Everything that is said about the estimates of a track, as tables: by frame, and of the whole.

BSSEval is computed by bsseval.py or, as a judge, by museval itself. Both have a score for a frame only if every reference and
every estimate sounds in it. That is right for a reference, where the ratios have no meaning, but an estimate must not gain by
saying nothing: with `silent_estimates` scored, a silent frame of it gets the least noise there is, and 0 dB instead of none.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from unsung.audio import FULL_SCALE, Samples
from unsung.config.schema import Evaluate
from unsung.scoring import formulas
from unsung.scoring.bsseval import BSSEval


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
MEASURES = ("sdr", "isr", "sir", "sar")  # of a frame: BSSEval v4
SOURCES = ("v3_sdr", "v3_sir", "v3_sar")  # of a whole track: BSSEval v3
WHOLE = ("global_sdr", "si_sdr", "stft_distance", *SOURCES)
REASONS = ("", "silent reference", "silent estimate")  # why a frame has no score
DECIMALS = 6  # of a score in dB in a file
ILL_POSED = 1e12  # the condition beyond which rounding shows in ISR, SIR and SAR


class Scorer:
    """The scores of one track's estimates, however many systems gave some.

    Estimates may be of the first references only; the others are what can interfere.
    """

    def __init__(self, references: Mapping[str, Samples], sample_rate: int, settings: Evaluate) -> None:
        self.names, self.settings, self.sample_rate = list(references), settings, sample_rate
        self.truth = np.stack(list(references.values()))
        self.window = min(round(settings.window_seconds * sample_rate), self.truth.shape[1])
        self.bsseval = BSSEval(self.truth, self.window, settings.filter_taps)

    def tables(self, systems: Mapping[str, Mapping[str, Samples]], track: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`frames` and `whole` of what each system found, with the columns `track` and `system`."""
        frames = [self.frames(found).assign(track=track, system=system) for system, found in systems.items()]
        whole = [self.whole(found).assign(track=track, system=system) for system, found in systems.items()]
        return pd.concat(frames, ignore_index=True), pd.concat(whole, ignore_index=True)

    def frames(self, estimates: Mapping[str, Samples]) -> pd.DataFrame:
        """BSSEval v4: source, frame, start (seconds), sdr, isr, sir, sar (dB), dropped.

        `dropped` is one of REASONS; a frame that was dropped has no scores (NaN).
        """
        found = self._of(estimates, self.window)
        values = self._museval(found) if self.settings.engine == "museval" else self.bsseval.images(found)
        dropped = self._dropped(found)
        number = np.arange(len(dropped))
        tables = [
            pd.DataFrame({"source": name, "frame": number, "start": number * self.window / self.sample_rate})
            .assign(**dict(zip(MEASURES, of_one, strict=True)))
            .assign(dropped=dropped)
            for name, of_one in zip(self.names, values.swapaxes(0, 1), strict=False)
        ]
        return pd.concat(tables, ignore_index=True)

    def whole(self, estimates: Mapping[str, Samples]) -> pd.DataFrame:
        """One row for each source: seconds, the measures of WHOLE, ill_posed.

        `ill_posed` says that ISR, SIR and SAR hang on rounding: the references leave a band empty (docs/metrics.md). The noise that
        a silent estimate may get is for BSSEval only: its SI-SDR is -inf.
        """
        raw, found = self._of(estimates, 0), self._of(estimates, self.truth.shape[1])
        v3 = self._museval_sources(found) if self.settings.engine == "museval" else self.bsseval.whole(found)
        rows = [
            {
                "source": name,
                "seconds": self.truth.shape[1] / self.sample_rate,
                "global_sdr": formulas.global_sdr(truth, estimate),
                "si_sdr": formulas.si_sdr(truth, estimate),
                "stft_distance": formulas.stft_distance(truth, estimate),
                **dict(zip(SOURCES, of_one, strict=True)),
                "ill_posed": self.bsseval.condition > ILL_POSED,
            }
            for name, truth, estimate, of_one in zip(self.names, self.truth, raw, v3.T, strict=False)
        ]
        return pd.DataFrame(rows)

    def _of(self, estimates: Mapping[str, Samples], window: int) -> np.ndarray:
        """As one array; windows in which one is silent get noise where that is wanted and `window` is not 0."""
        found = np.stack([estimates[name] for name in self.names[: len(estimates)]])
        return audible(found, window) if window and self.settings.silent_estimates == "scored" else found

    def _dropped(self, found: np.ndarray) -> np.ndarray:
        reference, estimate = (
            np.any([formulas.silent(x, self.window) for x in signals], axis=0) for signals in (self.truth, found)
        )
        return np.where(reference, REASONS[1], np.where(estimate, REASONS[2], REASONS[0]))

    def _museval(self, found: np.ndarray) -> np.ndarray:
        dropped = self._dropped(found) != ""
        if dropped.all():  # museval would raise
            return np.full((4, len(found), len(dropped)), np.nan)
        both, taps = self._both(found), self.settings.filter_taps
        return np.stack(museval_metrics.bss_eval(*both, window=self.window, hop=self.window, filters_len=taps)[:4])[:, : len(found)]

    def _museval_sources(self, found: np.ndarray) -> np.ndarray:
        whole = self.truth.shape[1]
        if any(formulas.silent(signal, whole).any() for signal in (*self.truth, *found)):
            return np.full((3, len(found)), np.nan)
        sdr, _, sir, sar, _ = museval_metrics.bss_eval(
            *self._both(found), window=np.inf, hop=np.inf,
            filters_len=self.settings.filter_taps, framewise_filters=True, bsseval_sources_version=True,
        )  # fmt: skip
        return np.stack([sdr, sir, sar])[:, : len(found), 0]

    def _both(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """References and estimates as museval wants them, as many of these as of those."""
        return self.truth.astype(np.float64), np.concatenate([found, self.truth[len(found) :]]).astype(np.float64)


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of Scorer.tables, their scores to DECIMALS places; what is infinite or NaN stays.

    Machines add up in different orders, so that scores differ by 1e-14 to 1e-7 dB. Rounded they are
    the same, but for one that lies about as near to the middle between two steps: where scores
    differ by 1e-9 dB, one in a thousand.
    """
    scores = table.columns.intersection([*MEASURES, *WHOLE])
    return table.assign(**{name: table[name].round(DECIMALS) + 0.0 for name in scores})  # -0.0 + 0.0 is 0.0


def audible(estimates: np.ndarray, window: int) -> np.ndarray:
    """The estimates (source, frame, channel), with noise of half a 24-bit step where one is silent for a window."""
    found, rng = estimates.copy(), np.random.default_rng(0)
    for source in found:
        for piece in formulas.windows(len(source), window):
            if not source[piece].sum(axis=1).any():
                size = source[piece].shape
                source[piece] += rng.uniform(0.1, 0.5, size) / FULL_SCALE * rng.choice([-1, 1], (size[0], 1))
    return found
