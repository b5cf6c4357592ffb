"""BSSEval, equal to museval's, from inner products and spectra of short pieces of a track.

An estimate e of the source s is projected on the references, delayed by 0 to `taps` - 1 frames:
P_s e uses the channels of s alone, P e those of all sources. The filters are the least-squares fit
over the whole track; the errors are measured window by window. This is version 4, of SiSEC 2018
(Stoeter, Liutkus and Ito 2018, arXiv 1804.06267), as in museval 0.4.1:

    SDR = |s|^2 / |e - s|^2                  ISR = |s|^2 / |P_s e - s|^2
    SIR = |P_s e|^2 / |P e - P_s e|^2        SAR = |P e|^2 / |e - P e|^2

Version 3, `sources` (Vincent, Gribonval and Fevotte 2006, doi:10.1109/TSA.2005.858005), scores the
whole track and counts no filtering as an error: SDR = |P_s e|^2 / |e - P_s e|^2.

The Gram matrix consists of correlations, summed from the spectra of pieces. It is factorised once
for all estimates. v4 takes energies from spectra (Parseval) and never computes filtered signals.
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
    """Scores estimates of the same sources, in windows of `window` frames, with `taps` filter taps.

    Sources and estimates are (source, frame, channel), of any float type; computed in float64.
    Estimates may be missing for the last sources; these still count as possible interference.
    """

    def __init__(self, sources: Signals, window: int, taps: int) -> None:
        self.sources, self.taps = sources, taps
        self.windows = windows(sources.shape[1], window)
        self.length = self.windows[0].stop
        self.size = scipy.fft.next_fast_len(self.length + taps - 1, real=True)  # of an FFT: fits a filtered window

    def images(self, estimates: Signals) -> Float[np.ndarray, "measure=4 _source _window"]:
        """SDR, ISR, SIR, SAR (v4) in dB; NaN in windows where a source or an estimate is silent."""
        unscored = self._silent(self.length, estimates)
        scores = np.full((4, len(estimates), len(unscored)), np.nan)
        filters = [] if unscored.all() else list(self._filters(estimates))
        for w in np.flatnonzero(~unscored):
            sources = [self._spectra(source[self.windows[w]]) for source in self.sources]
            together = np.concatenate(sources)
            for j, (from_own, from_all) in enumerate(filters):
                s, e = sources[j], self._spectra(estimates[j, self.windows[w]])
                own, projected = _filtered(s, from_own), _filtered(together, from_all)
                pairs = ((s, e - s), (s, own - s), (own, projected - own), (projected, e - projected))
                scores[:, j, w] = [decibels(self._energy(signal), self._energy(error)) for signal, error in pairs]
        return scores

    def whole(self, estimates: Signals) -> Float[np.ndarray, "measure=3 _source"]:
        """SDR, SIR, SAR (v3) of whole tracks in dB; NaN if a source or an estimate is silent."""
        frames = self.sources.shape[1]
        if self._silent(frames, estimates).any():
            return np.full((3, len(estimates)), np.nan)
        energies = np.zeros((len(estimates), 3, 2))
        filters = list(self._filters(estimates))
        for start in range(0, frames + self.taps - 1, self.length):  # filtered signals are longer than the track
            before = slice(max(0, start - self.taps + 1), start + self.length)
            sources = [self._spectra(source[before]) for source in self.sources]
            together, first = np.concatenate(sources), start - before.start
            kept = slice(first, first + min(self.length, frames + self.taps - 1 - start))
            for j, (from_own, from_all) in enumerate(filters):
                own = scipy.fft.irfft(_filtered(sources[j], from_own), self.size)[:, kept]
                projected = scipy.fft.irfft(_filtered(together, from_all), self.size)[:, kept]
                e, piece = np.zeros_like(own), estimates[j, start : start + self.length]
                e[:, : len(piece)] = piece.T
                pairs = ((own, e - own), (own, projected - own), (projected, e - projected))
                energies[j] += [[np.vdot(signal, signal), np.vdot(error, error)] for signal, error in pairs]
        return np.array([[decibels(*pair) for pair in pairs] for pairs in energies]).T

    def _silent(self, window: int, estimates: Signals) -> Bool[np.ndarray, " _window"]:
        return np.any([silent(signal, window) for signal in (*self.sources, *estimates)], axis=0)

    @cached_property
    def condition(self) -> float:
        """Condition number of the Gram matrix; beyond 1e12 rounding shows in ISR, SIR and SAR.

        References with an empty band make it large. Channels that are silent or a sum of others are
        left out. They do no harm, because any of their filters gives the same projection.
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
        """For each estimate, the spectra of its filters: from its source's channels, from all."""
        own, together = self._factors
        channels = self.sources.shape[2]
        for j, estimate in enumerate(estimates):
            right = self._correlations(self.sources, estimate[None]).transpose(0, 2, 1).reshape(-1, channels)
            yield self._response(own[j], right.reshape(len(self.sources), -1, channels)[j]), self._response(together, right)

    def _response(self, factors: Factors, right: np.ndarray) -> Filters:
        taps = scipy.linalg.lu_solve(factors, right).reshape(-1, self.taps, right.shape[1])
        return scipy.fft.rfft(np.ascontiguousarray(taps.transpose(0, 2, 1)), self.size)

    @cached_property
    def _correlated(self) -> Float[np.ndarray, "_signal _signal taps"]:
        return self._correlations(self.sources, self.sources)

    @cached_property
    def _gram(self) -> Float[np.ndarray, "_n _n"]:
        """Inner products of the references' channels, each delayed by 0 to taps - 1 frames.

        The diagonal loading is museval's. Where channels are sums of others (a voice in the centre
        of a stereo song), only rounding keeps museval's matrix regular; ours is loaded as much.
        """
        r = self._correlated
        sounding = np.count_nonzero(r[:, :, 0].diagonal())
        loading = EPSILON * (r.max() if len(_independent(r[:, :, 0])) < sounding else 1)
        gram = np.block([[scipy.linalg.toeplitz(r[a, b], r[b, a]) for b in range(len(r))] for a in range(len(r))])
        gram.flat[:: len(gram) + 1] += loading
        return gram

    @cached_property
    def _factors(self) -> tuple[list[Factors], Factors]:
        """LU of the diagonal block of each source, and of the whole Gram matrix."""
        size = self.taps * self.sources.shape[2]
        blocks = [self._gram[i : i + size, i : i + size] for i in range(0, len(self._gram), size)]
        return [scipy.linalg.lu_factor(block) for block in blocks], scipy.linalg.lu_factor(self._gram)

    def _correlations(self, left: Signals, right: Signals) -> Float[np.ndarray, "_left _right taps"]:
        """sum_n left[n] right[n + t] for t = 0 to taps - 1, for each pair of channels."""
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
        """Energy times a constant: frequencies count twice, but 0 and (even sizes) Nyquist once."""
        alone = spectra[:, [0] if self.size % 2 else [0, -1]]
        return 2 * np.vdot(spectra, spectra).real - np.vdot(alone, alone).real


def _independent(products: Float[np.ndarray, "_n _n"]) -> np.ndarray:
    """The channels that sound and of which none is a sum of others, from their inner products."""
    sounding = np.flatnonzero(products.diagonal() > 0)
    size = np.sqrt(products.diagonal()[sounding])
    cosines = products[np.ix_(sounding, sounding)] / np.outer(size, size)
    triangle, order = scipy.linalg.qr(cosines, mode="r", pivoting=True) if len(sounding) else (cosines, sounding)
    return np.sort(sounding[order[np.abs(triangle.diagonal()) > 1e-12]])


def _filtered(signals: Spectra, filters: Filters) -> Spectra:
    """The sum of the filtered signals, for each output channel."""
    return np.einsum("sf,scf->cf", signals, filters)
