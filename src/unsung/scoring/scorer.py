"""All scores of the estimates of one track, in rows of two tables: of frames, of the whole track.

bsseval.py computes BSSEval, or museval itself does. Both drop frames in which a reference or an
estimate is silent. For a reference that is right, but an estimate must not gain by being silent.
With `silent_estimates: scored` it gets the least noise there is, and so about 0 dB.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from itertools import compress
from operator import is_
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil

from unsung.audio import FULL_SCALE, Samples
from unsung.config.schema import Evaluate
from unsung.errors import UserError
from unsung.scoring import formulas, whole
from unsung.scoring.bsseval import BSSEval, Fit


@cache
def museval_metrics() -> ModuleType:
    """The module museval.metrics alone; importing the package fails without the program ffmpeg."""
    package = importlib.util.find_spec("museval")
    assert package is not None and package.origin is not None
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MEASURES = ("sdr", "isr", "sir", "sar")  # of a frame: BSSEval v4
SOURCES = ("v3_sdr", "v3_sir", "v3_sar")  # of a whole track: BSSEval v3
WHOLE = ("global_sdr", "si_sdr", "stft_distance", *SOURCES)
PITCH = "pitch_accuracy"  # of a whole voice; what has no tracker does not have it
REASONS = ("", "silent reference", "silent estimate")  # why a frame has no score
MAX_CONDITION = 1e12  # beyond it, rounding shows in ISR, SIR and SAR
Rows = list[dict[str, Any]]  # of a table; all have the same keys, its columns


class Scorer:
    """Scores the estimates of one track, by one or many systems.

    `references` are (frame, channel). Estimates may be missing for the last of them; these still
    count as possible interference.

    Raises:
        UserError: so long filters do not fit the memory.
    """

    def __init__(self, references: Mapping[str, Samples], sample_rate: int, settings: Evaluate) -> None:
        self.names, self.references = list(references), list(references.values())
        self.settings, self.sample_rate = settings, sample_rate
        _check_memory(self.references, settings.filter_taps)
        _keep_freed_memory()
        self.length = len(self.references[0])
        self.window = min(round(settings.window_seconds * sample_rate), self.length)
        self.bsseval = BSSEval(self.references, self.window, settings.filter_taps)

    def tables(self, systems: Mapping[str, Mapping[str, Samples]], track: str) -> tuple[Rows, Rows]:
        """`frames` and `whole` of all systems, with the columns `track` and `system`."""
        frames, whole = Rows(), Rows()
        for system, estimates in systems.items():
            signals, names = _Signals(self, estimates), {"track": track, "system": system}
            frames += [row | names for row in self._frames(signals)]
            whole += [row | names for row in self._whole(signals)]
        return frames, whole

    def frames(self, estimates: Mapping[str, Samples]) -> Rows:
        """BSSEval v4: source, frame, start (seconds), sdr, isr, sir, sar (dB), dropped.

        `dropped` is one of REASONS; a frame that was dropped has no scores (NaN).
        """
        return self._frames(_Signals(self, estimates))

    def whole(self, estimates: Mapping[str, Samples]) -> Rows:
        """One row for each source: seconds, the measures of WHOLE, ill_posed.

        `ill_posed`: ISR, SIR and SAR depend on rounding, because the references leave a band empty
        (docs/metrics.md). The noise for silent estimates is for BSSEval only: their SI-SDR is -inf.
        """
        return self._whole(_Signals(self, estimates))

    def _frames(self, signals: "_Signals") -> Rows:
        dropped = self._dropped(signals.framed)
        if self.settings.engine == "museval":
            scores = self._museval(signals.framed, dropped)
        else:
            scores = self.bsseval.images(signals.framed, signals.fits)
        return [
            {"source": name, "frame": frame, "start": frame * self.window / self.sample_rate}
            | dict(zip(MEASURES, values, strict=True))
            | {"dropped": reason}
            for name, own in zip(self.names, scores.transpose(1, 2, 0).tolist(), strict=False)
            for frame, (values, reason) in enumerate(zip(own, dropped.tolist(), strict=True))
        ]

    def _whole(self, signals: "_Signals") -> Rows:
        if self.settings.engine == "museval":
            v3 = self._museval_sources(signals.audible)
        else:
            v3 = self.bsseval.whole(signals.audible, signals.fits if signals.audible is signals.framed else None)
        return [
            {
                "source": name,
                "seconds": self.length / self.sample_rate,
                "global_sdr": whole.global_sdr(reference, estimate),
                "si_sdr": whole.si_sdr(reference, estimate),
                "stft_distance": whole.stft_distance(reference, estimate),
                **dict(zip(SOURCES, own, strict=True)),
                "ill_posed": self.bsseval.condition > MAX_CONDITION,
            }
            for name, reference, estimate, own in zip(self.names, self.references, signals.plain, v3.T.tolist(), strict=False)
        ]

    def _dropped(self, estimates: Sequence[Samples]) -> np.ndarray:
        silent = [np.any([formulas.silent(x, self.window) for x in signals], axis=0) for signals in (self.references, estimates)]
        return np.select(silent, REASONS[1:], REASONS[0])

    def _museval(self, estimates: Sequence[Samples], dropped: np.ndarray) -> np.ndarray:
        if (dropped != "").all():  # museval would raise
            return np.full((4, len(estimates), len(dropped)), np.nan)
        return self._bss_eval(estimates, window=self.window, hop=self.window)

    def _museval_sources(self, estimates: Sequence[Samples]) -> np.ndarray:
        if any(formulas.silent(signal, self.length).any() for signal in (*self.references, *estimates)):
            return np.full((3, len(estimates)), np.nan)
        scores = self._bss_eval(estimates, window=np.inf, hop=np.inf, framewise_filters=True, bsseval_sources_version=True)
        return scores[[0, 2, 3], :, 0]

    def _bss_eval(self, estimates: Sequence[Samples], **options: float | bool) -> np.ndarray:
        """(measure, source, window); museval wants as many estimates as references."""
        filled = np.stack([*estimates, *self.references[len(estimates) :]]).astype(np.float64)
        references, taps = np.stack(self.references).astype(np.float64), self.settings.filter_taps
        scores = museval_metrics().bss_eval(references, filled, filters_len=taps, **options)
        return np.stack(scores[:4])[:, : len(estimates)]


class _Signals:
    """The estimates of a system, with noise where it is wanted, and what BSSEval finds of them."""

    def __init__(self, scorer: Scorer, estimates: Mapping[str, Samples]) -> None:
        self.bsseval, self.plain = scorer.bsseval, [estimates[name] for name in scorer.names[: len(estimates)]]
        wanted = scorer.settings.silent_estimates == "scored"
        self.framed = audible(self.plain, scorer.window) if wanted else self.plain
        self.audible = audible(self.plain, scorer.length) if wanted else self.plain

    @cached_property
    def fits(self) -> list[Fit]:
        """The filters of the estimates, which both versions of BSSEval need."""
        return self.bsseval.fits(self.framed)


def _check_memory(references: Sequence[Samples], taps: int) -> None:
    """Raise a UserError if the normal equations do not fit: else the system ends the program."""
    channels = sum(reference.shape[1] for reference in references)
    needed = 3 * 8 * (channels * taps) ** 2  # bytes: the Gram matrix, its factors, a copy
    if needed > (free := psutil.virtual_memory().available):
        what = f"{taps:.3g} filter taps need {needed / 1e9:.3g} GB for each track, {free / 1e9:.0f} GB of memory are free"
        raise UserError(f"{what}; take fewer (512 is usual)")


def _keep_freed_memory() -> None:
    """Let arrays take the place of those before them, instead of new pages that the system zeroes.

    glibc keeps what is freed up to twice the largest block that was ever freed, 32 MB at most. It
    cuts the system's time in half; elsewhere it does nothing.
    """
    np.empty(2**25 - 2**16, np.uint8)


def audible(estimates: Sequence[Samples], window: int) -> Sequence[Samples]:
    """The estimates, with half a 24-bit step of noise in silent windows; the same if none are."""
    noisy, rng = list(estimates), np.random.default_rng(0)
    for number, estimate in enumerate(estimates):
        silent = formulas.silent(estimate, window)
        noisy[number] = estimate.copy() if silent.any() else estimate
        for piece in compress(formulas.windows(len(estimate), window), silent):
            size = estimate[piece].shape
            noisy[number][piece] += rng.uniform(0.1, 0.5, size) / FULL_SCALE * rng.choice([-1, 1], (size[0], 1))
    return estimates if all(map(is_, noisy, estimates)) else noisy
