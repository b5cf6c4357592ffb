"""BSSEval, equal to museval's, from inner products and spectra of short pieces: no transform is as long as the track.

An estimate e of the source s is projected on what filters of `taps` taps can make of the references, each channel by each: P_s e
on those of s alone, P e on those of all. The filters are of the whole track (least squares), what they leave is measured window by
window. This is version 4 of SiSEC 2018 (Stoeter, Liutkus and Ito 2018, arXiv 1804.06267) as museval 0.4.1 has it:

    SDR = |s|^2 / |e - s|^2                  ISR = |s|^2 / |P_s e - s|^2
    SIR = |P_s e|^2 / |P e - P_s e|^2        SAR = |P e|^2 / |e - P e|^2

and version 3, `sources` (Vincent, Gribonval and Fevotte 2006, doi:10.1109/TSA.2005.858005), is of the whole track and counts no
filtering as an error: SDR = |P_s e|^2 / |e - P_s e|^2.

The Gram matrix of the least squares is made of correlations, summed from the spectra of pieces; it is factorised once, whatever the
number of estimates. A window's energies are taken from its spectrum (Parseval): the filtered signals of v4 are never made.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import scipy.fft
import scipy.linalg
from jaxtyping import Bool, Complex, Float

from unsung.scoring.formulas import decibels, silent, windows

Signals = Float[np.ndarray, "_source _frame _channel"]
Spectra = Complex[np.ndarray, "_signal _freq"]
Filters = Complex[np.ndarray, "_signal _channel _freq"]
Factors = tuple[np.ndarray, np.ndarray]  # LU, and its pivots
EPSILON = float(np.finfo(float).eps)


class BSSEval:
    """The scores of estimates of the same sources, in windows of `window` frames, with filters of `taps` taps.

    Sources and estimates are (source, frame, channel), of any float type; what is computed is of 64 bits. Estimates are of the
    first sources, of all or of less: the others are what can interfere.
    """

    def __init__(self, sources: Signals, window: int, taps: int) -> None:
        self.sources, self.taps = sources, taps
        self.windows = windows(sources.shape[1], window)
        self.length = self.windows[0].stop
        self.size = scipy.fft.next_fast_len(self.length + taps - 1, real=True)  # of a transform: a filtered window fits

    def images(self, estimates: Signals) -> Float[np.ndarray, "measure=4 _source _window"]:
        """SDR, ISR, SIR and SAR (v4) in dB; NaN in the windows in which a source or an estimate is silent."""
        unscored = self._silent(self.length, estimates)
        found = np.full((4, len(estimates), len(unscored)), np.nan)
        filters = [] if unscored.all() else list(self._filters(estimates))
        for w in np.flatnonzero(~unscored):
            truth = [self._spectra(source[self.windows[w]]) for source in self.sources]
            together = np.concatenate(truth)
            for j, (own, all_of_them) in enumerate(filters):
                s, e = truth[j], self._spectra(estimates[j, self.windows[w]])
                alone, projected = _filtered(truth[j], own), _filtered(together, all_of_them)
                pairs = ((s, e - s), (s, alone - s), (alone, projected - alone), (projected, e - projected))
                found[:, j, w] = [decibels(self._energy(signal), self._energy(error)) for signal, error in pairs]
        return found

    def whole(self, estimates: Signals) -> Float[np.ndarray, "measure=3 _source"]:
        """SDR, SIR and SAR (v3, sources) of the whole track in dB; NaN where a source or an estimate is silent throughout."""
        frames = self.sources.shape[1]
        if self._silent(frames, estimates).any():
            return np.full((3, len(estimates)), np.nan)
        energies = np.zeros((len(estimates), 3, 2))
        filters = list(self._filters(estimates))
        for start in range(0, frames + self.taps - 1, self.length):  # a filter reaches beyond the end
            before = slice(max(0, start - self.taps + 1), start + self.length)
            truth = [self._spectra(source[before]) for source in self.sources]
            together, first = np.concatenate(truth), start - before.start
            kept = slice(first, first + min(self.length, frames + self.taps - 1 - start))
            for j, (own, all_of_them) in enumerate(filters):
                alone = scipy.fft.irfft(_filtered(truth[j], own), self.size)[:, kept]
                projected = scipy.fft.irfft(_filtered(together, all_of_them), self.size)[:, kept]
                e = np.zeros_like(alone)
                there = estimates[j, start : start + self.length]
                e[:, : len(there)] = there.T
                pairs = ((alone, e - alone), (alone, projected - alone), (projected, e - projected))
                energies[j] += [[np.vdot(signal, signal), np.vdot(error, error)] for signal, error in pairs]
        return np.array([[decibels(*pair) for pair in of_one] for of_one in energies]).T

    def _silent(self, window: int, estimates: Signals) -> Bool[np.ndarray, " _window"]:
        return np.any([silent(signal, window) for signal in (*self.sources, *estimates)], axis=0)

    @cached_property
    def condition(self) -> float:
        """How much the least squares magnify rounding; beyond 1e12 or so ISR, SIR and SAR hang on it (an empty band does that).

        Channels that are silent or a sum of others do no harm, for their filters can be anything, and are left out.
        """
        kept = _independent(self._correlated[:, :, 0])
        if len(kept) == len(self._correlated):
            gram, factors = self._gram, self._factors[1][0]
        else:
            rows = (kept[:, None] * self.taps + np.arange(self.taps)).ravel()
            gram = self._gram[np.ix_(rows, rows)]
            factors = scipy.linalg.lu_factor(gram)[0] if len(rows) else gram
        if not len(gram):
            return 1.0
        (reciprocal, _) = scipy.linalg.lapack.dgecon(factors, np.linalg.norm(gram, 1))
        return float(1 / max(reciprocal, EPSILON**2))

    def _filters(self, estimates: Signals) -> Iterator[tuple[Filters, Filters]]:
        """For each source the spectra of the filters from its own channels and from all channels to those of its estimate."""
        own, together = self._factors
        channels = self.sources.shape[2]
        for j, estimate in enumerate(estimates):
            right = self._correlations(self.sources, estimate[None]).transpose(0, 2, 1).reshape(-1, channels)
            mine = right.reshape(len(self.sources), -1, channels)[j]
            yield self._response(own[j], mine), self._response(together, right)

    def _response(self, factors: Factors, right: np.ndarray) -> Filters:
        taps = scipy.linalg.lu_solve(factors, right).reshape(-1, self.taps, right.shape[1])
        return scipy.fft.rfft(np.ascontiguousarray(taps.transpose(0, 2, 1)), self.size)

    @cached_property
    def _correlated(self) -> Float[np.ndarray, "_signal _signal taps"]:
        return self._correlations(self.sources, self.sources)

    @cached_property
    def _gram(self) -> Float[np.ndarray, "_n _n"]:
        """Inner products of the references' channels, each delayed by 0 to taps - 1 frames, with a grain on the diagonal.

        The grain is museval's. Where channels are alike (a voice in the middle of a stereo song) only rounding keeps museval's
        matrix from being singular, and ours gets a grain of that size.
        """
        r = self._correlated
        sounding = np.count_nonzero(r[:, :, 0].diagonal())
        grain = EPSILON * (r.max() if len(_independent(r[:, :, 0])) < sounding else 1)
        gram = np.block([[scipy.linalg.toeplitz(r[a, b], r[b, a]) for b in range(len(r))] for a in range(len(r))])
        gram.flat[:: len(gram) + 1] += grain
        return gram

    @cached_property
    def _factors(self) -> tuple[list[Factors], Factors]:
        """Of each source's own part of the Gram matrix, and of the whole."""
        size = self.taps * self.sources.shape[2]
        parts = [self._gram[i : i + size, i : i + size] for i in range(0, len(self._gram), size)]
        return [scipy.linalg.lu_factor(part) for part in parts], scipy.linalg.lu_factor(self._gram)

    def _correlations(self, left: Signals, right: Signals) -> Float[np.ndarray, "_left _right taps"]:
        """The sums over n of left[n] right[n + t], t = 0 to taps - 1, for each channel of each source of both."""
        counts = [len(signals) * signals.shape[2] for signals in (left, right)]
        total = np.zeros((*counts, self.size // 2 + 1), complex)
        for start in range(0, left.shape[1], self.length):
            stop = start + self.length
            here = np.concatenate([self._spectra(source[start:stop]) for source in left]).conj()
            ahead = np.concatenate([self._spectra(source[start : stop + self.taps - 1]) for source in right])
            for products, spectrum in zip(total, here, strict=True):
                products += spectrum * ahead
        return scipy.fft.irfft(total, self.size)[..., : self.taps]

    def _spectra(self, samples: np.ndarray) -> Spectra:
        """(frame, channel) to (channel, freq)."""
        return scipy.fft.rfft(np.array(samples.T, dtype=np.float64, order="C"), self.size)

    def _energy(self, spectra: Spectra) -> float:
        """Of the signals, but for a constant factor: all frequencies stand for two but the first, and the last of an even size."""
        alone = spectra[:, [0] if self.size % 2 else [0, -1]]
        return 2 * np.vdot(spectra, spectra).real - np.vdot(alone, alone).real


def _independent(products: Float[np.ndarray, "_n _n"]) -> np.ndarray:
    """The channels that sound and of which none is a sum of others, by their inner products."""
    sounding = np.flatnonzero(products.diagonal() > 0)
    size = np.sqrt(products.diagonal()[sounding])
    cosines = products[np.ix_(sounding, sounding)] / np.outer(size, size)
    triangle, order = scipy.linalg.qr(cosines, mode="r", pivoting=True) if len(sounding) else (cosines, sounding)
    return np.sort(sounding[order[np.abs(triangle.diagonal()) > 1e-12]])


def _filtered(signals: Spectra, filters: Filters) -> Spectra:
    """The sum over the signals, for each channel that the filters lead to."""
    return np.einsum("sf,scf->cf", signals, filters)
