"""A track's files as they come -> clean stems: one sample rate, one channel count, one length, nothing beyond full scale.

Everything goes through in blocks, so a track may be of any length. What is mended is told in a remark; what cannot be mended
is an error that names the file. Stems are written with 16 bits: a resampler leaves nothing just below half the sample rate, and
BSSEval's filters go astray in such a gap (docs/experiments.md); rounding fills it at -98 dB and leaves silence silent.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from unsung import audio
from unsung.audio import Samples
from unsung.data.tracks import Track
from unsung.errors import UserError
from unsung.files import atomically
from unsung.params import Audio

BITS = 16
MENDABLE = 1.0  # seconds by which the stems of a track may differ in length


def prepare(track: Track, folder: Path, wanted: Audio) -> tuple[Track, list[str]]:
    """Write the stems of a track below `folder` as 16-bit FLAC; the new track and what was mended.

    A track with a mixture and without `accompaniment` or `other` gets the accompaniment as what the other stems leave of the
    mixture. The mixture itself is kept for test tracks only: training and validation use the sum of the stems.

    Raises:
        UserError: the stems' sample rates differ, their lengths differ by more than a second, or a file is empty or broken.
    """
    own = {stem: audio.facts(path) for stem, path in track.stems.items()}
    remarks = _compare(track, own)
    sums = _sums_to_write(track)
    paths = {stem: folder / track.split / track.name / f"{stem}.flac" for stem in sums}
    peak = _write(track, sums, paths, own, wanted, gain=1.0)
    if peak >= 1:
        gain = 0.999 / peak
        remarks.append(f"{track.name}: all stems turned down by {-20 * np.log10(gain):.1f} dB, the song's peak was {peak:.2f}")
        _write(track, sums, paths, own, wanted, gain)
    return replace(track, stems=paths), remarks


def _compare(track: Track, own: dict[str, audio.Facts]) -> list[str]:
    """Remarks on stems that differ and can be mended; an error for those that cannot."""
    rates = [facts.sample_rate for facts in own.values()]
    common = max(rates, key=rates.count)
    longest, remarks = max(facts.frames for facts in own.values()), []
    for stem, facts in own.items():
        file, where = track.stems[stem].name, track.stems[stem].parent
        if facts.sample_rate != common:
            raise UserError(
                f'{file} of "{track.name}" has {facts.sample_rate} Hz, its other stems {common} Hz; '
                f"resample it or remove the track ({where})"
            )
        if not facts.frames:
            raise UserError(f'{file} of "{track.name}" is empty; remove the track ({where})')
        missing = (longest - facts.frames) / common
        if missing > MENDABLE:
            raise UserError(f'{file} of "{track.name}" ends {missing:.2f} s before the other stems; fill it up ({where})')
        if missing:
            remarks.append(f"{track.name}: {file} filled up with {missing * 1000:.1f} ms of silence")
    if len({facts.channels for facts in own.values()}) > 1:
        counts = ", ".join(f"{stem} {facts.channels}" for stem, facts in own.items())
        remarks.append(f"{track.name}: stems of different channel counts brought to one ({counts})")
    return remarks


def _sums_to_write(track: Track) -> dict[str, dict[str, int]]:
    """Each stem to write as a sum of the files to read: {stem: {file's stem: 1 or -1}}."""
    stems = {stem: {stem: 1} for stem in track.stems if stem != "mixture"}
    if "mixture" in track.stems:
        if not {"accompaniment", "other"} & set(stems):
            stems["accompaniment"] = {"mixture": 1, **dict.fromkeys(stems, -1)}
        if track.split == "test":
            stems["mixture"] = {"mixture": 1}
    return stems


def _write(
    track: Track, sums: dict[str, dict[str, int]], paths: dict[str, Path], own: dict[str, audio.Facts], wanted: Audio, gain: float
) -> float:
    """Write all stems side by side; the highest peak, before clipping, of any stem, the song, or the song without a stem."""
    length, peak = max(facts.frames for facts in own.values()), 0.0
    streams = [_read(path, own[stem], length, wanted) for stem, path in track.stems.items()]
    with ExitStack() as stack:
        partial = {stem: stack.enter_context(atomically(path)) for stem, path in paths.items()}
        files = {
            stem: stack.enter_context(audio.writer(path, wanted.sample_rate, wanted.channels, bits=BITS))
            for stem, path in partial.items()
        }
        for together in zip(*streams, strict=True):
            read = dict(zip(track.stems, together, strict=True))
            blocks = {
                stem: np.float32(gain) * sum(sign * read[name] for name, sign in terms.items()) for stem, terms in sums.items()
            }
            song = sum(block for stem, block in blocks.items() if stem != "mixture")
            for stem, block in blocks.items():
                peak = max(peak, *(float(np.abs(x).max(initial=0)) for x in (block, song, song - block)))
                audio.write_block(files[stem], audio.to_grid(np.clip(block, -1, 1 - 2.0 ** (1 - BITS)), BITS))
    return peak


def _read(path: Path, own: audio.Facts, length: int, wanted: Audio) -> Iterator[Samples]:
    whole = audio.fitted(audio.blocks(path, wanted.channels), length, wanted.channels)
    return audio.rebatched(audio.resampled(whole, own.sample_rate, wanted.sample_rate))
