"""Scores of anybody's estimates: a folder of references, a folder of estimates in the same layout, one folder for each track.

    references/Artist - Song/{vocals,drums,bass,other,mixture}.wav        estimates/Artist - Song/{vocals,accompaniment}.flac

A stem is a file without its extension, a track a folder with audio files in it, however deep. The `accompaniment` is what the other
estimates leave: all references but the vocals, as museval has it, or all without an estimate of their own where no vocals were
estimated. Beside other stems it is scored on its own, against itself and what it leaves out.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unsung import audio, parallel
from unsung.audio import Samples
from unsung.config.schema import Compute, Evaluate
from unsung.errors import UserError
from unsung.scoring import aggregate
from unsung.scoring.scorer import MEASURES, Scorer

MIXTURES = {"mixture", "linear_mixture"}  # never scored
REST = "accompaniment"
ESTIMATES, MIXTURE = "estimates", "mixture"  # the systems
Stems = dict[str, Path]
Sums = dict[str, tuple[Path, ...]]  # what each source is the sum of


@dataclass(frozen=True)
class Pair:
    """Sources of a track that are scored together: their files, the estimated ones first, the estimates, the mixture's parts."""

    name: str
    references: Sums
    estimates: Stems
    mixture: tuple[Path, ...]


def score_folders(
    references: Path, estimates: Path, settings: Evaluate, compute: Compute, mixture: bool = False, allow_missing: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Every frame and every track (aggregate.by_track) of the systems `estimates` and, if wanted, `mixture`; and remarks.

    Raises:
        UserError: a folder has no tracks, estimates are missing (unless allowed), or lengths, rates or channels differ.
    """
    pairs, missing, extra = match(tracks_of(references), tracks_of(estimates))
    if missing and not allow_missing:
        raise UserError(f"{estimates} lacks {_listed(missing)}; add them, or score the others with --allow-missing")
    if not pairs:
        raise UserError(f"{estimates} has no track of {references} ({_listed(extra)} instead); give folders of the same layout")
    check(pairs)
    remarks = [f"not in {estimates}, left out: {_listed(missing)}"] if missing else []
    remarks += [f"not in {references}, left out: {_listed(extra)}"] if extra else []
    found = parallel.over(partial(_score, settings=settings, mixture=mixture), pairs, compute, desc="score")
    frames, whole = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    table = aggregate.by_track(frames, whole)
    if ill_posed := sorted(table.loc[table["ill_posed"], "track"].unique()):
        remarks.append(f"references leave a band empty, ISR, SIR and SAR hang on rounding (docs/metrics.md): {_listed(ill_posed)}")
    return frames, table, remarks


def tracks_of(folder: Path) -> dict[str, Stems]:
    """The stems of every folder in `folder`, or of itself, that has audio files, by its path; nothing that is hidden.

    Raises:
        UserError: there is none, or a stem has two files.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a folder with a folder for each track")
    found: dict[str, Stems] = {}
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(place, name) for name in sorted(files) if not name.startswith(".")]
        for path in (path for path in paths if path.suffix.lower() in audio.EXTENSIONS):
            if path.name.lower().endswith(".stem.mp4"):
                raise UserError(
                    f"{path} holds all stems in one file; give a folder with a file for each (unsung's resample writes them)"
                )
            stems = found.setdefault(path.parent.relative_to(folder).as_posix(), {})
            if path.stem in stems:
                raise UserError(f"{path} and {stems[path.stem].name} are the same stem; remove one")
            stems[path.stem] = path
    if not found:
        raise UserError(f"{folder} has no audio files; a track is a folder with a file for each stem")
    return found


def match(references: Mapping[str, Stems], estimates: Mapping[str, Stems]) -> tuple[list[Pair], list[str], list[str]]:
    """What can be scored, what lacks an estimate that it should have, and what has no reference.

    A track should have estimates of all stems that some track has estimates of.
    """
    pairs, missing, extra = [], [], [name for name in estimates if name not in references]
    wanted = {stem for name, stems in estimates.items() if name in references for stem in stems if stem not in MIXTURES}
    for name, truth in references.items():
        if name not in estimates:
            missing.append(name)
            continue
        found = {stem: path for stem, path in estimates[name].items() if stem not in MIXTURES}
        known: set[str] = set()
        for sums in sources_of(truth, wanted):
            mine = {stem: found[stem] for stem in sums if stem in found and stem not in known}
            known |= set(sums)
            if mine:
                ordered = {stem: sums[stem] for stem in (*mine, *(stem for stem in sums if stem not in mine))}
                pairs.append(Pair(name, ordered, mine, _mixture(truth)))
        missing += [f"{name}/{stem}" for stem in sorted(wanted & known - set(found))]
        extra += [f"{name}/{stem}" for stem in found if stem not in known]
    return pairs, missing, extra


def sources_of(truth: Stems, wanted: set[str]) -> list[Sums]:
    """The sets of sources to compare with, if estimates of `wanted` are given; what is in two sets is scored in the first."""
    stems: Sums = {stem: (path,) for stem, path in truth.items() if stem not in {*MIXTURES, REST}}
    given = (truth[REST],) if REST in truth else ()
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


def _mixture(truth: Stems) -> tuple[Path, ...]:
    """The mixture's file, or the files that add up to it."""
    stems = [stem for stem in truth if stem not in MIXTURES]
    whole = [stem for stem in stems if stem != REST or set(stems) <= {"vocals", REST}]
    return next(((truth[stem],) for stem in truth if stem in MIXTURES), tuple(truth[stem] for stem in whole))


def check(pairs: Iterable[Pair]) -> None:
    """Raise a UserError if files of a track are empty or differ in length, rate or channels, naming them."""
    odd = []
    for pair in pairs:
        facts = {path: audio.facts(path) for path in (*sum(pair.references.values(), ()), *pair.estimates.values(), *pair.mixture)}
        first, expected = next(iter(facts.items()))
        if not expected.frames:
            raise UserError(f"{first} is empty; remove the track")
        odd += [f"{path} has {_facts(own)}, {first} {_facts(expected)}" for path, own in facts.items() if own != expected]
    if odd:
        raise UserError(f"{odd[0]}{f' (and {len(odd) - 1} more files)' if odd[1:] else ''}; make them alike")


def _facts(facts: audio.Facts) -> str:
    return f"{facts.frames} samples, {facts.sample_rate} Hz, {facts.channels} channel(s)"


def _score(pair: Pair, settings: Evaluate, mixture: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    truth = {stem: _sum(paths) for stem, paths in pair.references.items()}
    systems = {ESTIMATES: {stem: audio.read(path) for stem, path in pair.estimates.items()}}
    if mixture:
        systems[MIXTURE] = dict.fromkeys(pair.estimates, _sum(pair.mixture))
    lengths = {len(samples) for found in (truth, *systems.values()) for samples in found.values()}
    if len(lengths) > 1:  # an mp3 may announce what it does not hold
        raise UserError(f"the files of {pair.name} have {' or '.join(map(str, sorted(lengths)))} samples; make them alike")
    sample_rate = audio.facts(next(iter(pair.estimates.values()))).sample_rate
    return Scorer(truth, sample_rate, settings).tables(systems, pair.name)


def _sum(paths: Iterable[Path]) -> Samples:
    found = [audio.read(path) for path in paths]
    if len({len(samples) for samples in found}) > 1:
        raise UserError(f"{next(iter(paths)).parent} has files that end before their headers say; get them anew")
    return found[0] if len(found) == 1 else np.stack(found).sum(axis=0, dtype=np.float64).astype(np.float32)


def as_json(frames: pd.DataFrame, tracks: pd.DataFrame, settings: Evaluate) -> dict[str, Any]:
    """All of it. The tracks are as museval's JSON has them (targets, frames, metrics), with more beside.

    A frame without a score has nulls and a reason; a score that is infinite is null too, and named.
    """
    rows = aggregate.by_system(tracks).to_dict("records")
    found = []
    for (name, system), some in frames.groupby(["track", "system"], sort=False):
        whole = tracks[(tracks["track"] == name) & (tracks["system"] == system)].set_index("source")
        targets = [
            {
                "name": source,
                "scores": whole.loc[source].drop(["track", "system"]).to_dict(),
                "frames": [_frame(row, settings.window_seconds) for row in of_one.to_dict("records")],
            }
            for source, of_one in some.groupby("source", sort=False)
        ]
        found.append({"name": name, "system": system, "targets": targets})
    return _plain({"settings": settings.model_dump(), "summary": rows, "tracks": found})


def _frame(row: Mapping[str, Any], duration: float) -> dict[str, Any]:
    frame = {"time": row["start"], "duration": duration, "metrics": {measure.upper(): row[measure] for measure in MEASURES}}
    infinite = [measure.upper() for measure in MEASURES if np.isinf(row[measure])]
    return frame | {"dropped": row["dropped"]} | ({"infinite": infinite} if infinite else {})


def _plain(value: Any) -> Any:
    """As JSON has it: what is no finite number is null."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _listed(names: Iterable[str], most: int = 5) -> str:
    """Some of the names, and how many more there are."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
