"""A recording -> clean stems: one sample rate, channel count and length, within full scale.

Everything goes through in blocks, so it may be of any length. What is mended is told in a remark;
what cannot be mended is an error that names the file. Stems have 16 bits, because a resampler
leaves nothing just below half the sample rate, and BSSEval's filters diverge in such a gap
(docs/experiments.md). Rounding fills it at -98 dB and leaves silence silent.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from unsung import audio
from unsung.audio import Samples
from unsung.config.schema import Audio
from unsung.data.tracks import Recording, Source, Track, in_short, misfit
from unsung.errors import UserError
from unsung.files import atomically

BITS = 16
Reader = Callable[[tuple[Source, ...]], Iterator[Samples]]


def attempt(recording: Recording, folder: Path, wanted: Audio) -> tuple[Track | None, list[str]]:
    """`prepare`; or no track, and why the recording cannot be used."""
    try:
        return prepare(recording, folder, wanted)
    except UserError as error:
        return None, [in_short(error).removeprefix(f'"{recording.name}" cannot be used: ')]


def prepare(recording: Recording, folder: Path, wanted: Audio) -> tuple[Track, list[str]]:
    """Write the stems of a recording below `folder` as 16-bit FLAC: the track, and what was mended.

    A recording with a mixture and without `accompaniment` or `other` gets an accompaniment: the
    mixture minus the stems. The mixture itself is kept for test tracks only, because training and
    validation use the sum of the stems.

    Raises:
        UserError: the sources' sample rates differ, a file is empty or broken, or one ends more
            than a second before another and the recording is not ragged.
    """
    rate, length, remarks = _common(recording)
    sums = _sums_to_write(recording)
    paths = {stem: folder / recording.split / recording.name / f"{stem}.flac" for stem in sums}
    read = partial(_read, rate=rate, length=length, wanted=wanted)
    peak = _write(recording, sums, paths, read, wanted, gain=1.0)
    if peak >= 1:
        down = -20 * np.log10(0.999 / peak)
        remarks.append(f"{recording.name}: all stems turned down by {down:.1f} dB, the song's peak was {peak:.2f}")
        _write(recording, sums, paths, read, wanted, gain=0.999 / peak)
    return Track(recording.name, recording.split, paths), remarks


def _common(recording: Recording) -> tuple[int, int, list[str]]:
    """The sample rate and the greatest length of all sources, and remarks on what is mended."""
    own = [(source, source.facts()) for sources in recording.stems.values() for source in sources]
    if fault := misfit(recording.ragged, own):
        where = f" ({own[0][0].path.parent})" if own else ""
        raise UserError(f'"{recording.name}" cannot be used: {fault}; mend its files or remove the track{where}')
    rate, length = own[0][1].sample_rate, max(facts.frames for _, facts in own)
    remarks = [
        f"{recording.name}: {source.path.name} filled up with {missing / rate * 1000:.1f} ms of silence"
        for source, facts in own
        if (missing := length - facts.frames)
    ]
    if len(counts := {facts.channels for _, facts in own}) > 1:
        remarks.append(f"{recording.name}: sources of {' and '.join(map(str, sorted(counts)))} channels brought to one count")
    return rate, length, remarks


def _sums_to_write(recording: Recording) -> dict[str, dict[str, int]]:
    """Each stem to write as a sum of the stems to read: {stem: {stem that is read: 1 or -1}}."""
    stems = {stem: {stem: 1} for stem in recording.stems if stem != "mixture"}
    if "mixture" in recording.stems:
        if not {"accompaniment", "other"} & set(stems):
            stems["accompaniment"] = {"mixture": 1, **dict.fromkeys(stems, -1)}
        if recording.split == "test":
            stems["mixture"] = {"mixture": 1}
    return stems


def _write(
    recording: Recording, sums: dict[str, dict[str, int]], paths: dict[str, Path], read: Reader, wanted: Audio, gain: float
) -> float:
    """Write all stems; the highest peak, before clipping, of a stem, the song, or song - stem."""
    needed, peak, factor = sorted({name for terms in sums.values() for name in terms}), 0.0, np.float32(gain)
    with ExitStack() as stack:
        partial = {stem: stack.enter_context(atomically(path)) for stem, path in paths.items()}
        form = (wanted.sample_rate, wanted.channels)
        files = {stem: stack.enter_context(audio.writer(path, *form, bits=BITS)) for stem, path in partial.items()}
        for together in zip(*(read(recording.stems[name]) for name in needed), strict=True):
            given = dict(zip(needed, together, strict=True))
            blocks = {stem: factor * sum(sign * given[name] for name, sign in terms.items()) for stem, terms in sums.items()}
            song = sum(block for stem, block in blocks.items() if stem != "mixture")
            for stem, block in blocks.items():
                peak = max(peak, *(float(np.abs(x).max(initial=0)) for x in (block, song, song - block)))
                files[stem].write(audio.to_grid(np.clip(block, -1, 1 - 2.0 ** (1 - BITS)), BITS))
    return peak


def _read(sources: tuple[Source, ...], rate: int, length: int, wanted: Audio) -> Iterator[Samples]:
    """The sum of the sources, or silence, filled up to `length` frames and resampled."""
    every = [source.blocks(wanted.channels) for source in sources] or [iter(())]
    whole = [audio.rebatched(audio.fitted(blocks, length, wanted.channels)) for blocks in every]
    added = (sum(together[1:], start=together[0]) for together in zip(*whole, strict=True))
    return audio.rebatched(audio.resampled(added, rate, wanted.sample_rate))
