"""Which recordings are one, whatever their format, level, sample rate or start.

A fingerprint holds the moments at which a recording is loudest for a while, and 24 bits of each:
in which bands of its spectrum the energy rises or falls against the next band, before and after
(Haitsma and Kalker 2002, "A highly robust audio fingerprinting system", at fewer moments). Two
recordings that share some at one distance in time may be the same. Whether they are, their samples
say: `are_one` correlates all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
import soxr
from jaxtyping import Float
from scipy.fft import irfft, rfft, rfftfreq
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from unsung.audio import Samples

Mono = Float[np.ndarray, "_frame"]

RATE = 8000  # Hz; what lies above 4 kHz is not needed
HOP, WINDOW = 160, 1024  # samples: 20 ms, 128 ms
EDGES = np.geomspace(150, 3600, 14)  # Hz, of 13 bands
REACH = 10  # hops to each side in which nothing is louder than a moment
LAG = 8  # hops to the spectra before and after, which share no sample with the one between
FLOOR, QUIET = 1e-7, 1e-5  # of the highest energy: -70 dB, added to each band; -50 dB, below which is no moment
MOST = 256  # moments that are kept: those with the lowest hash, so the same of the same recording
COMMON = 32  # times that a key may be there; what is more common says nothing
CHUNK, MARGIN = 2 * RATE, RATE // 10  # samples that are correlated at once, and by which they may be shifted
CORRELATION = 0.7  # of two recordings that are one; an mp3 of 64 kbit/s and its original have 0.9
AUDIBLE = 1e-3  # peak of a chunk that is compared: -60 dB of full scale


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a recording."""

    digest: bytes  # of its samples, between the silence at its ends
    seconds: float
    keys: np.ndarray  # of its moments, 24 bits
    hops: np.ndarray  # when they are


class Fingerprinter:
    """Makes the fingerprint of a recording that comes in blocks; an hour takes 10 MB of memory."""

    def __init__(self) -> None:
        self.digest, self.zeros, self.seconds, self.begun = blake2b(digest_size=16), 0, 0.0, False
        self.resampler: soxr.ResampleStream | None = None
        self.waiting, self.bands = np.zeros(0, np.float32), list[np.ndarray]()

    def add(self, block: Mono, sample_rate: int) -> None:
        """Take the next samples, of one channel."""
        self._hash(block)
        self.seconds += len(block) / sample_rate
        if self.resampler is None:
            self.resampler = soxr.ResampleStream(sample_rate, RATE, 1, dtype="float32", quality="LQ")
        self._listen(self.resampler.resample_chunk(np.ascontiguousarray(block, np.float32)))

    def result(self) -> Fingerprint:
        """The fingerprint of all that came."""
        if self.resampler is not None:
            self._listen(self.resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        keys, hops = _moments(np.concatenate([*self.bands, np.zeros((0, len(EDGES) - 1), np.float32)]))
        kept = np.argsort(keys * np.uint32(2654435761), kind="stable")[:MOST]  # Knuth's multiplicative hash
        return Fingerprint(self.digest.digest(), self.seconds, keys[kept], hops[kept])

    def _hash(self, block: Mono) -> None:
        sounding = np.flatnonzero(block)
        if not len(sounding):
            self.zeros += len(block)
            return
        first = 0 if self.begun else sounding[0]
        self.digest.update(bytes(4 * self.zeros * self.begun))
        self.digest.update(block[first : sounding[-1] + 1].tobytes())
        self.zeros, self.begun = len(block) - 1 - int(sounding[-1]), True

    def _listen(self, samples: Mono) -> None:
        self.waiting = np.concatenate([self.waiting, samples])
        if len(self.waiting) >= WINDOW:
            frames = np.lib.stride_tricks.sliding_window_view(self.waiting, WINDOW)[::HOP]
            self.bands.append(np.square(np.abs(rfft(frames * HANN))) @ FILTERS)
            self.waiting = self.waiting[HOP * len(frames) :]


def _filters() -> np.ndarray:
    """Which bins are in which band: (bin, band)."""
    frequencies = rfftfreq(WINDOW, 1 / RATE)[:, None]
    return ((frequencies >= EDGES[:-1]) & (frequencies < EDGES[1:])).astype(np.float32)


HANN, FILTERS = np.hanning(WINDOW).astype(np.float32), _filters()


def _moments(bands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys and hops of the moments in the energies of (hop, band)."""
    energy = uniform_filter1d(bands.sum(axis=1, dtype=np.float64), 5) if len(bands) else np.zeros(0)
    highest = energy.max(initial=0)
    loudest = (energy == maximum_filter1d(energy, 2 * REACH + 1)) & (energy > QUIET * highest) if len(bands) else energy > 0
    hops = np.flatnonzero(loudest[LAG : len(bands) - LAG]) + LAG
    slopes = np.diff(np.log(bands + FLOOR * highest + np.finfo(np.float32).tiny), axis=1)
    bits = np.concatenate([slopes[hops] > slopes[hops - LAG], slopes[hops] > slopes[hops + LAG]], axis=1)
    keys = bits @ (1 << np.arange(bits.shape[1], dtype=np.uint32))
    return keys.astype(np.uint32), hops.astype(np.int32)


def candidates(prints: Sequence[Fingerprint], owners: Sequence[int]) -> list[tuple[int, int, float]]:
    """Pairs of different owners that may be one, and by how many seconds the first is late."""
    counts = [len(one.keys) for one in prints]
    if not sum(counts):
        return []
    table = pd.DataFrame(
        {
            "key": np.concatenate([one.keys for one in prints]),
            "hop": np.concatenate([one.hops for one in prints]),
            "number": np.repeat(np.arange(len(prints)), counts),
        }
    )
    table = table[table.groupby("key")["key"].transform("size") <= COMMON]
    pairs = table.merge(table, on="key")
    owner = np.asarray(owners)
    pairs = pairs[(pairs["number_x"] < pairs["number_y"]) & (owner[pairs["number_x"]] != owner[pairs["number_y"]])]
    distance = pairs["hop_x"] - pairs["hop_y"]
    near = pd.concat([pairs.assign(distance=distance, near=(distance + shift) // 4, shift=shift) for shift in (0, 2)])
    near = near.groupby(["number_x", "number_y", "shift", "near"], as_index=False).agg(
        count=("distance", "size"), distance=("distance", "mean")
    )
    best = near.sort_values("count", kind="stable").drop_duplicates(["number_x", "number_y"], keep="last")
    found = []
    for a, b, count, hops in best[["number_x", "number_y", "count", "distance"]].itertuples(index=False):
        late, lengths = hops * HOP / RATE, (prints[a].seconds, prints[b].seconds)
        common = min(lengths[0] - max(late, 0), lengths[1] - max(-late, 0))
        if count >= max(2, 0.05 * min(counts[a], counts[b])) and common >= min(lengths) / 2:
            found.append((int(a), int(b), float(late)))
    return sorted(found)


def are_one(one: Iterator[Samples], other: Iterator[Samples], late: float) -> bool:
    """Whether two recordings at RATE are one, `one` being late by some seconds.

    The correlation of their chunks, at one shift for all of them, is high on average.
    """
    ours = _chunks(one, round(max(late, 0) * RATE), CHUNK)
    theirs = _chunks(other, round(max(-late, 0) * RATE) - MARGIN, CHUNK + 2 * MARGIN)
    total, count, size = np.zeros(2 * MARGIN + 1), 0, 1 << (CHUNK + 2 * MARGIN - 1).bit_length()
    for a, b in zip(ours, theirs, strict=False):
        if max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)) >= AUDIBLE:
            products = irfft(rfft(b, size) * rfft(a, size).conj(), size)[: 2 * MARGIN + 1]
            energies = np.concatenate([[0], np.cumsum(np.square(b, dtype=np.float64))])
            energies = np.square(a, dtype=np.float64).sum() * (energies[CHUNK:] - energies[:-CHUNK])
            total += products / np.sqrt(np.maximum(energies, 1e-12))
            count += 1
    return count > 0 and bool(np.abs(total).max() / count >= CORRELATION)


def _chunks(blocks: Iterator[Samples], start: int, length: int) -> Iterator[Mono]:
    """Chunks of `length` samples, a CHUNK apart, from `start` on; zeros lie before and behind."""
    waiting, left = np.zeros(max(0, -start), np.float32), max(0, start)
    for block in blocks:
        waiting = np.concatenate([waiting, block[left:, 0]])
        left -= min(left, len(block))
        while len(waiting) >= length:
            yield waiting[:length]
            waiting = waiting[CHUNK:]
    if len(waiting):
        yield np.concatenate([waiting, np.zeros(length - len(waiting), np.float32)])
