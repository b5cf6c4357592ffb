"""Scores of anybody's estimates: a folder of references, a folder of estimates in the same layout, one folder for each track.

    references/Artist - Song/{vocals,drums,bass,other,mixture}.wav        estimates/Artist - Song/{vocals,accompaniment}.flac

A stem is a file without its extension, a track a folder with audio files in it, however deep. An estimated `accompaniment` without
a reference of that name is compared with the sum of all references that have no estimate of their own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unsung import audio, parallel
from unsung.audio import Samples
from unsung.errors import UserError
from unsung.reporting import tables
from unsung.scoring import MEASURES, Scorer
from unsung.sections import Compute, Evaluate

MIXTURES = {"mixture", "linear_mixture"}  # never scored
ESTIMATES, MIXTURE = "estimates", "mixture"  # the systems
Stems = dict[str, Path]


@dataclass(frozen=True)
class Pair:
    """A track's files: what each scored source is the sum of, its estimate, and the mixture's parts."""

    name: str
    references: dict[str, tuple[Path, ...]]  # the estimated ones first
    estimates: Stems
    mixture: tuple[Path, ...]


def score_folders(
    references: Path, estimates: Path, settings: Evaluate, compute: Compute, mixture: bool = False, allow_missing: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Every frame and every track (tables.by_track) of the systems `estimates` and, if wanted, `mixture`; and remarks.

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
    table = tables.by_track(frames, whole)
    if ill_posed := sorted(table.loc[table["ill_posed"], "track"].unique()):
        remarks.append(
            f"ISR, SIR and SAR hang on rounding where references leave a band empty (docs/metrics.md): {_listed(ill_posed)}"
        )
    return frames, table, remarks


def tracks_of(folder: Path) -> dict[str, Stems]:
    """The stems of every folder in `folder`, or of itself, that has audio files, by its path.

    Raises:
        UserError: there is none, or a stem has two files.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a folder with a folder for each track")
    found: dict[str, Stems] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in audio.EXTENSIONS and path.is_file() and not path.name.startswith("."):
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
        sources: dict[str, tuple[Path, ...]] = {stem: (path,) for stem, path in truth.items() if stem not in MIXTURES}
        found = {stem: path for stem, path in estimates[name].items() if stem not in MIXTURES}
        others = [stem for stem in sources if stem not in wanted]
        if "accompaniment" in found and "accompaniment" not in sources and others:
            sources["accompaniment"] = tuple(path for stem in others for path in sources.pop(stem))
        extra += [f"{name}/{stem}" for stem in found if stem not in sources]
        missing += [f"{name}/{stem}" for stem in sorted(wanted & set(sources) - set(found))]
        scored = {stem: found[stem] for stem in sources if stem in found}
        ordered = {stem: sources[stem] for stem in (*scored, *(stem for stem in sources if stem not in scored))}
        whole = next(
            ((truth[stem],) for stem in truth if stem in MIXTURES), tuple(path for paths in sources.values() for path in paths)
        )
        if scored:
            pairs.append(Pair(name, ordered, scored, whole))
    return pairs, missing, extra


def check(pairs: Iterable[Pair]) -> None:
    """Raise a UserError if files of a track differ in length, rate or channels, naming them."""
    odd = []
    for pair in pairs:
        facts = {path: audio.facts(path) for path in (*sum(pair.references.values(), ()), *pair.estimates.values(), *pair.mixture)}
        first, expected = next(iter(facts.items()))
        odd += [f"{path} has {_facts(own)}, {first} {_facts(expected)}" for path, own in facts.items() if own != expected]
    if odd:
        raise UserError(f"{odd[0]}{f' (and {len(odd) - 1} more files)' if odd[1:] else ''}; make them alike")


def _facts(facts: audio.Facts) -> str:
    return f"{facts.frames} samples, {facts.sample_rate} Hz, {facts.channels} channel(s)"


def _score(pair: Pair, settings: Evaluate, mixture: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    truth = {stem: _sum(paths) for stem, paths in pair.references.items()}
    rate = audio.facts(next(iter(pair.estimates.values()))).sample_rate
    scorer = Scorer(truth, rate, settings)
    systems = {ESTIMATES: {stem: audio.read(path) for stem, path in pair.estimates.items()}}
    if mixture:
        systems[MIXTURE] = dict.fromkeys(pair.estimates, _sum(pair.mixture))
    frames = [scorer.frames(found).assign(track=pair.name, system=system) for system, found in systems.items()]
    whole = [scorer.whole(found).assign(track=pair.name, system=system) for system, found in systems.items()]
    return pd.concat(frames, ignore_index=True), pd.concat(whole, ignore_index=True)


def _sum(paths: Iterable[Path]) -> Samples:
    return np.stack([audio.read(path) for path in paths]).sum(axis=0, dtype=np.float64)


def as_json(frames: pd.DataFrame, tracks: pd.DataFrame, settings: Evaluate) -> dict[str, Any]:
    """All of it. The tracks are as museval's JSON has them (targets, frames, metrics), with more beside; no score is null."""
    rows = tables.by_system(tracks).to_dict("records")
    found = []
    for (name, system), some in frames.groupby(["track", "system"], sort=False):
        whole = tracks[(tracks["track"] == name) & (tracks["system"] == system)].set_index("source")
        targets = [
            {
                "name": source,
                "scores": whole.loc[source].drop(["track", "system"]).to_dict(),
                "frames": [
                    {
                        "time": row["start"],
                        "duration": settings.window_seconds,
                        "metrics": {measure.upper(): row[measure] for measure in MEASURES},
                        "dropped": row["dropped"],
                    }
                    for row in of_one.to_dict("records")
                ],
            }
            for source, of_one in some.groupby("source", sort=False)
        ]
        found.append({"name": name, "system": system, "targets": targets})
    return _plain({"settings": settings.model_dump(), "summary": rows, "tracks": found})


def _plain(value: Any) -> Any:
    """As JSON has it: NaN is null, and what is infinite a word."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None if np.isnan(value) else f"{'-' if value < 0 else ''}inf"
    return value.item() if isinstance(value, np.generic) else value


def _listed(names: Iterable[str], most: int = 5) -> str:
    """Some of the names, and how many more there are."""
    names = list(Counter(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")
