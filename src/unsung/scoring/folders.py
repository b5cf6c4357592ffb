"""Scores the estimates of any program: two folders of one layout, with a folder for each track.

    references/Artist - Song/{vocals,drums,bass,other,mixture}.wav
    estimates/Artist - Song/{vocals,accompaniment}.flac

A folder with audio files is a track, a file in it is a stem. The reference of an `accompaniment` is
the sum of all stems but the vocals, as in museval; if no vocals are estimated, of all stems that
are not. If its parts are estimated too, it is scored apart, with the stems that it leaves out.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from unsung import audio, parallel
from unsung.audio import Samples
from unsung.config.schema import Compute, Evaluate
from unsung.errors import UserError
from unsung.scoring import aggregate
from unsung.scoring.scorer import MEASURES, Rows, Scorer

MIXTURES = {"mixture", "linear_mixture"}  # never scored
REST = "accompaniment"
Stems = dict[str, Path]
Sums = dict[str, tuple[Path, ...]]  # each source is the sum of these files


@dataclass(frozen=True)
class Pair:
    """Sources of a track that are scored together, those with an estimate first."""

    name: str
    references: Sums
    estimates: Stems
    mixture: tuple[Path, ...]  # files that add up to it


def score_folders(
    references: Path, estimates: Path, settings: Evaluate, compute: Compute, mixture: bool = False, allow_missing: bool = False
) -> tuple[Rows, Rows, list[str]]:
    """Score the system `estimates` and, if wanted, `mixture`: frames, aggregate.by_track, remarks.

    Raises:
        UserError: no tracks, missing estimates (unless allowed), files of other lengths or formats.
    """
    if references.resolve() == estimates.resolve():
        raise UserError(f"{references} and {estimates} are the same folder; give that of the estimates too")
    pairs, missing, extra = match(tracks_of(references, estimates), tracks_of(estimates, references))
    if missing and not allow_missing:
        raise UserError(f"{estimates} lacks {_listed(missing)}; add them, or score the others with --allow-missing")
    if not pairs:
        found = _listed(extra) or "mixtures only"
        raise UserError(f"{estimates} has no track of {references} ({found} instead); give folders of the same layout")
    remarks = check(pairs, settings)
    remarks += [f"not in {estimates}, left out: {_listed(missing)}"] if missing else []
    remarks += [f"not in {references}, left out: {_listed(extra)}"] if extra else []
    tables = parallel.over(partial(_score, settings=settings, mixture=mixture), pairs, compute, desc="score")
    frames, whole = (list(chain(*parts)) for parts in zip(*tables, strict=True))
    table = aggregate.by_track(frames, whole)
    if ill_posed := sorted({row["track"] for row in table if row["ill_posed"]}):
        remarks.append(
            f"references leave a band empty, ISR, SIR and SAR depend on rounding (docs/metrics.md): {_listed(ill_posed)}"
        )
    return frames, table, remarks


def tracks_of(folder: Path, other: Path | None = None) -> dict[str, Stems]:
    """The stems in `folder` and in all folders below that are not hidden, by relative path.

    What lies in `other` does not belong to it. Links are followed, but not back to where they are.

    Raises:
        UserError: there are no audio files, a stem has two, or something cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a folder with a folder for each track")
    left_out = {other.resolve()} - {folder.resolve()} if other else set()
    tracks: dict[str, Stems] = {}
    for parent, files in _walk(folder, left_out):
        for path in (parent / name for name in files if Path(name).suffix.lower() in audio.EXTENSIONS):
            if not path.is_file():
                raise UserError(f"{path} is a pipe or a link to nowhere, not a file; remove it")
            if path.name.lower().endswith(".stem.mp4"):
                advice = "give a folder with a file for each (unsung's resample writes them)"
                raise UserError(f"{path} holds all stems in one file; {advice}")
            name = os.fsencode(path.parent.relative_to(folder)).decode(errors="backslashreplace")
            stems = tracks.setdefault(name, {})
            if path.stem in stems:
                raise UserError(f"{path} and {stems[path.stem].name} are the same stem; remove one")
            stems[path.stem] = path
    if not tracks:
        raise UserError(f"{folder} has no audio files; a track is a folder with a file for each stem")
    return tracks


def _walk(folder: Path, left_out: set[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder that is not hidden, and the names of its files that are not; sorted.

    Folders of `left_out` are not entered, nor those above, to which a link may lead back.
    """
    visible = sorted((path.name, path.is_dir()) for path in folder.iterdir() if not path.name.startswith("."))
    yield folder, [name for name, is_folder in visible if not is_folder]
    above = left_out | {folder.resolve()}
    for name in (name for name, is_folder in visible if is_folder):
        if (folder / name).resolve() not in above:
            yield from _walk(folder / name, above)


def match(references: Mapping[str, Stems], estimates: Mapping[str, Stems]) -> tuple[list[Pair], list[str], list[str]]:
    """What can be scored, the missing estimates, and the estimates without a reference.

    A stem that is estimated for one track should be for all.
    """
    pairs, missing, extra = [], [], [name for name in estimates if name not in references]
    wanted = {stem for name, stems in estimates.items() if name in references for stem in stems if stem not in MIXTURES}
    for name, stems in references.items():
        if name not in estimates:
            missing.append(name)
            continue
        given = {stem: path for stem, path in estimates[name].items() if stem not in MIXTURES}
        known: set[str] = set()
        for sums in sources_of(stems, wanted):
            scored = {stem: given[stem] for stem in sums if stem in given and stem not in known}
            known |= set(sums)
            if scored:
                pairs.append(Pair(name, {stem: sums[stem] for stem in (*scored, *sums)}, scored, _mixture(stems)))
        missing += [f"{name}/{stem}" for stem in sorted(wanted & known - set(given))]
        extra += [f"{name}/{stem}" for stem in given if stem not in known]
    return pairs, missing, extra


def sources_of(references: Stems, wanted: set[str]) -> list[Sums]:
    """The sets of sources for estimates of `wanted`; what is in two sets is scored in the first."""
    stems: Sums = {stem: (path,) for stem, path in references.items() if stem not in {*MIXTURES, REST}}
    given = (references[REST],) if REST in references else ()
    others = wanted - {REST}
    left_out = {"vocals"} if others <= {"vocals"} or "vocals" in others else others
    parts = tuple(path for stem, paths in stems.items() if stem not in left_out for path in paths)
    rest: Sums = {REST: given or parts, **{stem: stems[stem] for stem in stems if stem in left_out}}
    if REST not in wanted:
        return [stems if set(stems) - {"vocals"} or not given else {**stems, REST: given}]
    if not rest[REST] or (len(rest) == 1 and not given):
        return [stems]  # it would be everything
    if others <= left_out:
        return [rest]
    return [stems, rest]


def _mixture(references: Stems) -> tuple[Path, ...]:
    """The mixture's file, or the files that add up to it."""
    stems = [stem for stem in references if stem not in MIXTURES]
    parts = [stem for stem in stems if stem != REST or set(stems) <= {"vocals", REST}]
    return next(((path,) for stem, path in references.items() if stem in MIXTURES), tuple(references[stem] for stem in parts))


def check(pairs: Iterable[Pair], settings: Evaluate) -> list[str]:
    """Remarks on tracks that are shorter than a frame or a filter.

    Raises:
        UserError: files of a track are empty or differ in length, rate or channels.
    """
    different, unframed, unfiltered = [], [], []
    for pair in pairs:
        facts = {path: audio.facts(path) for path in (*sum(pair.references.values(), ()), *pair.estimates.values(), *pair.mixture)}
        first, expected = next(iter(facts.items()))
        if not expected.frames:
            raise UserError(f"{first} is empty; remove the track")
        different += [f"{path} has {_facts(own)}, {first} {_facts(expected)}" for path, own in facts.items() if own != expected]
        unframed += [pair.name] * (expected.frames < settings.window_seconds * expected.sample_rate)
        unfiltered += [pair.name] * (expected.frames < settings.filter_taps)
    if different:
        raise UserError(f"{different[0]}{f' (and {len(different) - 1} more files)' if different[1:] else ''}; make them alike")
    remarks = [f"shorter than --window, scored as one frame: {_listed(unframed)}"] if unframed else []
    return remarks + ([f"shorter than --taps, ISR, SIR and SAR say nothing: {_listed(unfiltered)}"] if unfiltered else [])


def _facts(facts: audio.Facts) -> str:
    return f"{facts.frames} samples, {facts.sample_rate} Hz, {facts.channels} channel(s)"


def _score(pair: Pair, settings: Evaluate, mixture: bool) -> tuple[Rows, Rows]:
    references = {stem: _sum(paths) for stem, paths in pair.references.items()}
    systems = {"estimates": {stem: audio.read(path) for stem, path in pair.estimates.items()}}
    if mixture:
        systems["mixture"] = dict.fromkeys(pair.estimates, _sum(pair.mixture))
    lengths = {len(samples) for stems in (references, *systems.values()) for samples in stems.values()}
    if len(lengths) > 1:  # the header of an mp3 may be wrong
        raise UserError(f"the files of {pair.name} have {' or '.join(map(str, sorted(lengths)))} samples; make them alike")
    facts = audio.facts(next(iter(pair.estimates.values())))
    return Scorer(references, facts.sample_rate, settings).tables(systems, pair.name)


def _sum(paths: Iterable[Path]) -> Samples:
    stems = [audio.read(path) for path in paths]
    if len({len(samples) for samples in stems}) > 1:
        raise UserError(f"{next(iter(paths)).parent} has files that end before their headers say; get them anew")
    return stems[0] if len(stems) == 1 else np.stack(stems).sum(axis=0, dtype=np.float64).astype(np.float32)


def is_json(file: Path) -> bool:
    """Whether a file is empty or begins as one that as_json fills."""
    with file.open("rb") as content:
        return content.read(1) in (b"", b"{")


def as_json(frames: Rows, tracks: Rows, settings: Evaluate) -> dict[str, Any]:
    """All scores, with tracks as in museval's JSON (targets, frames, metrics) and more keys.

    A frame without a score has nulls and a reason. An infinite score is null too, and is named.
    """
    by_source = aggregate.grouped(frames, *aggregate.KEYS)
    rows = []
    for (name, system), whole in aggregate.grouped(tracks, "track", "system").items():
        duration = min(settings.window_seconds, max(row["seconds"] for row in whole))
        targets = [
            {
                "name": row["source"],
                "scores": {key: value for key, value in row.items() if key not in aggregate.KEYS},
                "frames": [_frame(frame, duration) for frame in by_source[name, system, row["source"]]],
            }
            for row in whole
        ]
        rows.append({"name": name, "system": system, "targets": targets})
    return _plain({"settings": settings.model_dump(), "summary": aggregate.by_system(tracks), "tracks": rows})


def _frame(row: Mapping[str, Any], duration: float) -> dict[str, Any]:
    frame = {"time": row["start"], "duration": duration, "metrics": {measure.upper(): row[measure] for measure in MEASURES}}
    infinite = [measure.upper() for measure in MEASURES if np.isinf(row[measure])]
    return frame | {"dropped": row["dropped"]} | ({"infinite": infinite} if infinite else {})


def _plain(value: Any) -> Any:
    """As JSON values: numbers that are not finite become None."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _listed(names: Iterable[str], most: int = 5) -> str:
    """Some of the names, and how many more there are."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
