"""BSSEval, equal to museval's, from correlations of short pieces of a track.

An estimate e of the source s is projected on the references, delayed by 0 to `taps` - 1 frames:
P_s e uses the channels of s alone, P e those of all sources. The filters are the least-squares fit
over the whole track; the errors are measured window by window. This is version 4, of SiSEC 2018
(Stoeter, Liutkus and Ito 2018, arXiv 1804.06267), as in museval 0.4.1:

    SDR = |s|^2 / |e - s|^2                  ISR = |s|^2 / |P_s e - s|^2
    SIR = |P_s e|^2 / |P e - P_s e|^2        SAR = |P e|^2 / |e - P e|^2

Version 3, `sources` (Vincent, Gribonval and Fevotte 2006, doi:10.1109/TSA.2005.858005), scores the
whole track and counts no filtering as an error: SDR = |P_s e|^2 / |e - P_s e|^2.

The energies are quadratic forms of the filters. Their coefficients are correlations at lags below
`taps`, summed from the spectra of short pieces, window by window; all together make the Gram
matrix. It is factorised once for all estimates. Signals are filtered only where an error is so
small that the rounding of its quadratic form would show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
import scipy.linalg
from jaxtyping import Bool, Complex, Float

from unsung.audio import Samples
from unsung.scoring.formulas import decibels, silent, windows

Signals = Float[np.ndarray, "_source _frame _channel"] | Sequence[Samples]  # all of one shape
Spectra = Complex[np.ndarray, "_signal _freq"]
Matrix = Float[np.ndarray, "_row _column"]
Taps = Float[np.ndarray, "_signal taps _channel"]
Correlations = Float[np.ndarray, "_span _left _right taps"]  # sum_n left[n] right[n + t] in a span, for t from 0
Energies = Float[np.ndarray, "_span 8"]  # of these signals:
S, E_S, OWN_S, OWN, BETWEEN, ALL, E_ALL, E_OWN = range(8)  # s, e - s, P_s e - s, P_s e, P e - P_s e, P e, e - P e, e - P_s e
IMAGES = [[S, E_S], [S, OWN_S], [OWN, BETWEEN], [ALL, E_ALL]]  # SDR, ISR, SIR, SAR of version 4
WHOLE = [[OWN, E_OWN], [OWN, BETWEEN], [ALL, E_ALL]]  # SDR, SIR, SAR of version 3
EPSILON = float(np.finfo(float).eps)
PIECE = 3500  # frames of a piece of which correlations are taken, at most; its spectra suit the cache
FREQS = 2048  # frequencies that are filtered at once
EXACT = 1e9  # so many times larger than its rounding must a quadratic form be


@dataclass(frozen=True)
class Fit:
    """An estimate with the filters of P_s e and P e, and the correlations that they came from."""

    number: int  # of its source
    estimate: Samples
    own: Taps  # zero for the channels of other sources
    together: Taps
    crossed: Correlations


class BSSEval:
    """Scores estimates of the same sources, in windows of `window` frames, with `taps` filter taps.

    Sources and estimates are (source, frame, channel), of any float type; computed in float64.
    Estimates may be missing for the last sources; these still count as possible interference.
    `fits` are those of the same estimates, for the one who needs both versions.
    """

    def __init__(self, sources: Signals, window: int, taps: int) -> None:
        self.sources, self.taps = list(sources), taps
        self.frames, self.channels = self.sources[0].shape
        self.windows = windows(self.frames, window)
        self.length = self.windows[0].stop
        self.size = scipy.fft.next_fast_len(self.length + taps - 1, real=True)  # of an FFT: fits a filtered window

    def images(self, estimates: Signals, fits: Sequence[Fit] | None = None) -> Float[np.ndarray, "measure=4 _source _window"]:
        """SDR, ISR, SIR, SAR (v4) in dB; NaN in windows where a source or an estimate is silent."""
        unscored = self._silent(self.length, estimates)
        scores = np.full((4, len(estimates), len(unscored)), np.nan)
        if unscored.all():
            return scores
        fits = self.fits(estimates) if fits is None else fits
        energies, exact = (np.stack(parts)[:, :-1] for parts in zip(*map(self._quadratic_forms, fits), strict=True))
        self._filter_windows(fits, energies, ~exact[..., : E_ALL + 1].all(axis=2) & ~unscored)
        for w in np.flatnonzero(~unscored):
            scores[..., w] = [[decibels(*of_one[pair]) for of_one in energies[:, w]] for pair in IMAGES]
        return scores

    def whole(self, estimates: Signals, fits: Sequence[Fit] | None = None) -> Float[np.ndarray, "measure=3 _source"]:
        """SDR, SIR, SAR (v3) of whole tracks in dB; NaN if a source or an estimate is silent."""
        scores = np.full((3, len(estimates)), np.nan)
        if self._silent(self.frames, estimates).any():
            return scores
        for fit in self.fits(estimates) if fits is None else fits:
            energies, exact = (rows[-1] for rows in self._quadratic_forms(fit))
            energies = energies if exact[OWN:].all() else self._filter_track(fit)
            scores[:, fit.number] = [decibels(*energies[pair]) for pair in WHOLE]
        return scores

    def fits(self, estimates: Signals) -> list[Fit]:
        """The least-squares fit of each estimate over the whole track."""
        known = "_correlated" in vars(self)  # or found in the same pass
        found = self._correlations(estimates if known else [*self.sources, *estimates])
        if not known:
            self._correlated, found = np.split(found, [len(self.sources) * self.channels], axis=2)
        fits = []
        of_sources, of_all = self._factors
        for j, crossed in enumerate(np.split(found, len(estimates), axis=2)):
            right = crossed[-1].transpose(0, 2, 1)  # of the normal equations
            own, mine = np.zeros_like(right), self._channels_of(j)
            own[mine] = of_sources[j].solve(right[mine])
            fits.append(Fit(j, estimates[j], own, of_all.solve(right), crossed))
        return fits

    @cached_property
    def condition(self) -> float:
        """Condition number of the Gram matrix; beyond 1e12 rounding shows in ISR, SIR and SAR.

        References with an empty band make it large. Channels that are silent or a sum of others are
        left out. They do no harm, because any of their filters gives the same projection.
        """
        kept = _independent(self._correlated[-1, :, :, 0])
        if len(kept) == len(self._gram) // self.taps:
            return self._factors[1].condition
        rows = (kept[:, None] * self.taps + np.arange(self.taps)).ravel()
        return _Factors(self._gram[np.ix_(rows, rows)]).condition if len(rows) else 1.0

    def _silent(self, window: int, estimates: Signals) -> Bool[np.ndarray, " _window"]:
        return np.any([silent(signal, window) for signal in (*self.sources, *estimates)], axis=0)

    def _channels_of(self, source: int) -> slice:
        return slice(source * self.channels, (source + 1) * self.channels)

    @cached_property
    def _correlated(self) -> Correlations:
        return self._correlations(self.sources)

    def _correlations(self, right: Signals) -> Correlations:
        """Of the sources with other signals: within each window, and last of the whole track.

        Of short windows there are none, because they would take more memory than the signals.
        """
        by_window = self.length >= 8 * self.taps
        ends = [0, *(window.stop for window in self.windows if by_window)]
        spans = [slice(*pair) for pair in zip(ends, [*ends[1:], self.frames], strict=True) if pair[0] < pair[1]]
        longest = spans[0].stop
        step = -(-longest // -(-longest // max(PIECE, 4 * self.taps)))
        found = []
        for span in spans:
            pieces = [slice(i, min(i + step, span.stop)) for i in range(span.start, span.stop, step)]
            found.append(self._summed(pieces, [slice(i.start, min(i.stop + self.taps - 1, span.stop)) for i in pieces], right))
        before = [slice(max(0, span.stop - self.taps + 1), span.stop) for span in spans[:-1]]  # what reaches over an end
        across = self._summed(before, [slice(i.stop, i.stop + self.taps - 1) for i in before], right)
        return np.stack([*(found[: len(self.windows)] if by_window else []), np.sum([*found, across], axis=0)])

    def _summed(self, here: Sequence[slice], ahead: Sequence[slice], right: Signals) -> Float[np.ndarray, "_left _right taps"]:
        """The correlations of some pieces of the sources with others of other signals, added up."""
        longest = max((piece.stop - piece.start for piece in here), default=1)
        size = scipy.fft.next_fast_len(max(1, longest + self.taps - 1), real=True)
        left, channels = len(self.sources) * self.channels, self.channels
        total = np.zeros((left, len(right) * channels, size // 2 + 1), complex)
        product = np.empty(total.shape[1:], complex)
        both = np.empty((len(self.sources) + len(right), channels, size))  # used again, as new memory takes time
        for mine, other in zip(here, ahead, strict=True):
            for own, source in zip(both, self.sources, strict=False):
                _put(own, source[mine], 0)
            for own, signal in zip(both[len(self.sources) :], right, strict=True):
                _put(own, signal[other], other.start - mine.start)
            spectra = scipy.fft.rfft(both.reshape(-1, size))
            for row, spectrum in zip(total, spectra[:left].conj(), strict=True):
                row += np.multiply(spectrum, spectra[left:], out=product)
        return scipy.fft.irfft(total, size)[..., : self.taps]

    @cached_property
    def _loading(self) -> float:
        """What is added to the diagonal of the Gram matrix.

        It is museval's. Where channels are sums of others (a voice in the centre of a stereo song),
        only rounding keeps museval's matrix regular; ours is loaded as much.
        """
        r = self._correlated[-1]
        sounding = np.count_nonzero(r[:, :, 0].diagonal())
        return EPSILON * float(r.max() if len(_independent(r[:, :, 0])) < sounding else 1)

    @cached_property
    def _gram(self) -> Matrix:
        """Inner products of the references' channels, each delayed by 0 to taps - 1 frames."""
        r, taps = self._correlated[-1], self.taps
        blocks = np.empty((len(r), taps, len(r), taps))
        for a in range(len(r)):
            for b in range(len(r)):
                lags = np.concatenate([r[b, a, :0:-1], r[a, b]])[::-1]  # of a Toeplitz matrix
                blocks[a, :, b] = np.lib.stride_tricks.sliding_window_view(lags, taps)[::-1]
        gram = blocks.reshape(len(r) * taps, -1)
        gram.flat[:: len(gram) + 1] += self._loading
        return gram

    @cached_property
    def _factors(self) -> tuple[list["_Factors"], "_Factors"]:
        """Those of the diagonal block of each source, and of the whole Gram matrix."""
        together, size = _Factors(self._gram), self.taps * self.channels
        blocks = [self._gram[i : i + size, i : i + size] for i in range(0, len(self._gram), size)]
        return [_Factors(block) for block in blocks] if blocks[1:] else [together], together

    def _quadratic_forms(self, fit: Fit) -> tuple[Energies, Bool[np.ndarray, "_span 8"]]:
        """Energies in each window and of the whole track, and which of them rounding left exact.

        With the filters c, |P e|^2 is the sum over all lags of the correlations of the references
        times those of c, and |e - P e|^2 = |e|^2 - 2 <e, P e> + |P e|^2, where <e, P e> is the sum
        of the correlations of the references with e times c. With r_i the references' channels and
        c_i their filters, the terms add up to at most (|e| + sum_i |r_i| sum_t |c_i(t)|)^2.
        """
        r, mine = self._correlated, self._channels_of(fit.number)
        filters = np.stack([fit.own, fit.together, fit.together - fit.own])
        spectra = scipy.fft.rfft(filters, 2 * self.taps, axis=2)
        of_filters = scipy.fft.irfft(np.einsum("kafc,kbfc->kabf", spectra, spectra.conj()), 2 * self.taps)[..., : self.taps]
        of_filters[..., 1:] *= 2  # a negative lag is a positive one of the same two channels, the other way round
        own, together, between = np.tensordot(of_filters, r, ((1, 2, 3), (1, 2, 3)))
        with_s = np.einsum("wact,atc->w", r[:, :, mine], fit.own)
        with_e = np.einsum("wact,katc->kw", fit.crossed, filters[:2])
        s_e = self._plain_energies(fit)
        energies, terms = np.zeros((2, len(s_e), 8))
        rows = slice(-len(r), None)  # without those of short windows
        (s, e, e_s), roots = s_e[rows].sum(axis=2).T, np.sqrt(s_e[rows])
        energies[rows] = np.transpose(
            [s, e_s, s - 2 * with_s + own, own, between, together, e - 2 * with_e[1] + together, e - 2 * with_e[0] + own]
        )
        most = np.einsum("wa,kac->kwc", np.sqrt(r[:, :, :, 0].diagonal(axis1=1, axis2=2)), np.abs(filters).sum(axis=2))
        zero = np.zeros_like(most[0])
        sums = (zero, zero, roots[:, 0] + most[0], most[0], most[2], most[1], roots[:, 1] + most[1], roots[:, 1] + most[0])
        terms[rows] = np.transpose([np.square(each).sum(axis=1) for each in sums])
        exact = energies >= EXACT * EPSILON * terms
        exact[: rows.start] = False
        return energies, exact

    def _plain_energies(self, fit: Fit) -> Float[np.ndarray, "_span 3 _channel"]:
        """Of s, e and e - s, in each window and of the whole track."""
        spans = [*self.windows, slice(self.windows[-1].stop, self.frames)]
        rows = np.empty((len(spans), 3, self.channels))
        for row, span in zip(rows, spans, strict=True):
            s, e = (np.array(x[span].T, dtype=np.float64, order="C") for x in (self.sources[fit.number], fit.estimate))
            row[:] = [np.vecdot(x, x) for x in (s, e, e - s)]
        rows[-1] = rows.sum(axis=0)
        return rows

    def _filter_windows(self, fits: Sequence[Fit], energies: Float[np.ndarray, "_source _window 8"], wanted: np.ndarray) -> None:
        """Put energies in their places that come from spectra of filtered windows (Parseval)."""
        some = [(fit, self._responses(fit)) for fit in fits if wanted[fit.number].any()]
        for w in np.flatnonzero(wanted.any(axis=0)):
            references = self._spectra(self.sources, self.windows[w])
            for fit, responses in some:
                if not wanted[fit.number, w]:
                    continue
                s, e = references[self._channels_of(fit.number)], self._spectra([fit.estimate], self.windows[w])
                found = np.zeros(E_ALL + 1)
                for first in range(0, self.size // 2 + 1, FREQS):
                    f = slice(first, first + FREQS)
                    own, together = (_filtered(references[:, f], response[..., f]) for response in responses)
                    signals = (s[:, f], e[:, f] - s[:, f], own - s[:, f], own, together - own, together, e[:, f] - together)
                    found += [np.vdot(x, x).real for x in signals]
                energies[fit.number, w, : E_ALL + 1] = found

    def _filter_track(self, fit: Fit) -> Float[np.ndarray, "8"]:
        """The energies of version 3 from filtered signals, which are longer than the track."""
        energies, responses = np.zeros(8), self._responses(fit)
        for start in range(0, self.frames + self.taps - 1, self.length):
            before = max(0, start - self.taps + 1)
            references = self._spectra(self.sources, slice(before, start + self.length), parseval=False)
            kept = slice(start - before, start - before + min(self.length, self.frames + self.taps - 1 - start))
            own, together = (scipy.fft.irfft(_filtered(references, response), self.size)[:, kept] for response in responses)
            e, piece = np.zeros_like(own), fit.estimate[start : start + self.length].T
            e[:, : piece.shape[1]] = piece
            energies[OWN:] += [np.vdot(x, x) for x in (own, together - own, together, e - together, e - own)]
        return energies

    def _responses(self, fit: Fit) -> list[Complex[np.ndarray, "_signal _channel _freq"]]:
        """The spectra of both filters."""
        return [scipy.fft.rfft(taps.transpose(0, 2, 1).copy(), self.size) for taps in (fit.own, fit.together)]

    def _spectra(self, signals: Signals, span: slice, parseval: bool = True) -> Spectra:
        """Of all channels; for Parseval, every frequency has the weight that energies need."""
        padded = np.zeros((len(signals), self.channels, self.size))
        for own, signal in zip(padded, signals, strict=True):
            values = signal[span].T
            own[:, : values.shape[1]] = values
        spectra = scipy.fft.rfft(padded.reshape(-1, self.size))
        if parseval:
            spectra[:, [0] if self.size % 2 else [0, -1]] *= np.sqrt(0.5)  # every other frequency stands for two
        return spectra


class _Factors:
    """A Gram matrix in factors: Cholesky's, or LU where rounding made it indefinite."""

    def __init__(self, gram: Matrix) -> None:
        self.gram = gram
        try:
            self.factors = scipy.linalg.cho_factor(gram.T, check_finite=False)  # it is its own transpose, in LAPACK's order
            self.solver, self.estimator = scipy.linalg.cho_solve, scipy.linalg.lapack.dpocon
        except scipy.linalg.LinAlgError:
            self.factors = scipy.linalg.lu_factor(gram)
            self.solver, self.estimator = scipy.linalg.lu_solve, scipy.linalg.lapack.dgecon

    def solve(self, right: Taps) -> Taps:
        """The filters with these right sides."""
        return self.solver(self.factors, right.reshape(len(self.gram), -1)).reshape(right.shape)

    @property
    def condition(self) -> float:
        """An estimate of the condition number, in the 1-norm."""
        reciprocal, _ = self.estimator(self.factors[0], scipy.linalg.lapack.dlange("1", self.gram.T))
        return float(1 / max(reciprocal, EPSILON**2))


def _put(rows: Float[np.ndarray, "_channel _size"], samples: Samples, start: int) -> None:
    """Put samples into rows that are zero elsewhere."""
    end = start + len(samples)
    rows[:, :start], rows[:, start:end], rows[:, end:] = 0, samples.T, 0


def _independent(products: Float[np.ndarray, "_n _n"]) -> np.ndarray:
    """The channels that sound and of which none is a sum of others, from their inner products."""
    sounding = np.flatnonzero(products.diagonal() > 0)
    size = np.sqrt(products.diagonal()[sounding])
    cosines = products[np.ix_(sounding, sounding)] / np.outer(size, size)
    triangle, order = scipy.linalg.qr(cosines, mode="r", pivoting=True) if len(sounding) else (cosines, sounding)
    return np.sort(sounding[order[np.abs(triangle.diagonal()) > 1e-12]])


def _filtered(signals: Spectra, filters: Complex[np.ndarray, "_signal _channel _freq"]) -> Spectra:
    """The sum of the filtered signals, for each output channel."""
    return (signals[:, None] * filters).sum(axis=0)
