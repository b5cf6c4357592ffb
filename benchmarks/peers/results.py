"""Scores of estimates, and the table of all that was measured."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from common import table as as_markdown
from tqdm import tqdm

from peers.fetch import BENCH
from peers.recordings import Piece
from unsung import shipped
from unsung.audio import Samples
from unsung.config.schema import Evaluate
from unsung.files import atomically, fingerprint, sha256
from unsung.scoring import aggregate
from unsung.scoring.evaluation import oracle_ratio_mask
from unsung.scoring.scorer import Rows, Scorer
from unsung.spectrum import Stft

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of music [{elapsed}<{remaining}]"
SCORING = Path(__file__).resolve().parents[2] / "src" / "unsung" / "scoring"
SETTINGS = Evaluate(window_seconds=1.0, filter_taps=512, engine="unsung", silent_estimates="dropped")  # of `unsung score`
MIXTURE, ORACLE = "mixture", "oracle ideal ratio mask"
N_FFT = {16_000: 1024, 44_100: 2048}  # of the oracle's mask, by sample rate; 64 and 46 ms
SHAPES = {"real_time_factor": ".3f", "real_time_factor_cpu": ".3f", "weights_MB": ".1f"} | dict.fromkeys(
    ("recordings", "seconds", "peak_MB", "own_peak_MB"), ".0f"
)  # of figures as text; all others are dB
COLUMNS = (
    "set", "system", "recordings", "seconds",
    "sdr", "isr", "sir", "sar", "accompaniment_sdr", "gnsdr", "gsir", "gsar",
    "real_time_factor", "real_time_factor_cpu", "peak_MB", "own_peak_MB", "weights_MB", "licence",
)  # fmt: skip
Tables = tuple[Rows, Rows]  # of Scorer: frames and whole recordings
Facts = tuple[str, Sequence[Path]]  # of a system: the licence of its weights, and their files


@dataclass(frozen=True)
class Made:
    """A recording, and what each system made of it."""

    piece: Piece
    paths: dict[str, Path]  # by the system's name


def table(made: Sequence[Made], facts: Mapping[str, Facts]) -> pd.DataFrame:
    """A row for each set and system: the floor, the systems of `facts`, the ceiling."""
    scored: dict[str, list[Tables]] = {}
    for one in tqdm(made, desc="score"):
        scored.setdefault(one.piece.set, []).append(scores(one))
    rows = []
    for name, tables in scored.items():
        own = [one for one in made if one.piece.set == name]
        length = sum(one.piece.seconds for one in own)
        frames, whole = (list(chain(*parts)) for parts in zip(*tables, strict=True))
        summary = {(row["system"], row["source"]): row for row in aggregate.by_system(aggregate.by_track(frames, whole))}
        for system in (MIXTURE, *facts, ORACLE):
            row: dict[str, Any] = {"set": name, "system": system, "recordings": len(own), "seconds": length}
            row |= _scores(summary, system, of_clips=name.startswith("mir1k"))
            if system in facts:
                row |= _costs([one.paths[system] for one in own], length) | _facts(*facts[system])
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def scores(made: Made) -> Tables:
    """The scores of a recording by all systems, the floor and the ceiling; kept in .bench/."""
    piece = made.piece
    key = fingerprint([SETTINGS.model_dump(), list(made.paths)], [SCORING, *made.paths.values()])
    known = BENCH / "scores" / piece.set / f"{piece.name}.{key}.json"
    if not known.exists():
        references, mixture = piece.references(), piece.mixture()
        systems = {
            MIXTURE: dict.fromkeys(references, mixture),
            ORACLE: oracle_ratio_mask(references, mixture, Stft(N_FFT[piece.sample_rate], N_FFT[piece.sample_rate] // 4)),
            **{system: _parts(mixture, np.load(path)["vocals"]) for system, path in made.paths.items()},
        }
        found = Scorer(references, piece.sample_rate, SETTINGS).tables(systems, piece.name)
        with atomically(known) as partial:
            partial.write_text(json.dumps(found))
    frames, whole = json.loads(known.read_text())
    return frames, whole


def _parts(mixture: Samples, vocals: Samples) -> dict[str, Samples]:
    return {"vocals": vocals, "accompaniment": mixture - vocals}


def _scores(summary: Mapping[tuple[str, str], Mapping[str, float]], system: str, of_clips: bool) -> dict[str, float]:
    """Medians over seconds and recordings; for MIR-1K also the means over its clips."""
    vocals = summary[system, "vocals"]
    names = ("sdr", "isr", "sir", "sar", *(("gnsdr", "gsir", "gsar") if of_clips else ()))
    return {name: vocals[name] for name in names} | {"accompaniment_sdr": summary[system, "accompaniment"]["sdr"]}


def _costs(files: Sequence[Path], length: float) -> dict[str, float]:
    """Time and memory that a system took for a set."""
    done = [np.load(path) for path in files]
    return {
        "real_time_factor": sum(float(one["wall"]) for one in done) / length,
        "real_time_factor_cpu": sum(float(one["cpu"]) for one in done) / length,
        "peak_MB": max(int(one["peak"]) for one in done) / 1e6,
        "own_peak_MB": max(int(one["own"]) for one in done) / 1e6,
    }


def _facts(licence: str, weights: Sequence[Path]) -> dict[str, float | str]:
    return {"weights_MB": sum(path.stat().st_size for path in weights) / 1e6, "licence": licence}


def shown(found: pd.DataFrame) -> str:
    """The table as Markdown."""
    return as_markdown([name.replace("_", " ") for name in found], _texts(found).to_numpy().tolist())


def _texts(found: pd.DataFrame) -> pd.DataFrame:
    """As it is written: two decimals for dB, three for factors, none for megabytes."""
    return pd.DataFrame({name: [_text(value, SHAPES.get(str(name), ".2f")) for value in found[name]] for name in found})


def _text(value: Any, shape: str) -> str:
    if isinstance(value, str):
        return value
    return "" if pd.isna(value) else format(value, shape)


def write(found: pd.DataFrame, csv: Path, drivers: Sequence[ModuleType]) -> tuple[Path, Path]:
    """The table, and beside it, as JSON, what it was measured with."""
    processor = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    card = shipped.card_of(Path("songs"))
    made = {
        "processor": processor[0] if processor else platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "numpy", "scipy", "soxr")},
        "model": {"made": card.made, "commit": card.commit, "hours": card.hours, "steps": card.steps},
        "weights": {path.name: sha256(path) for driver in drivers for path in driver.weights()},
    }
    system = csv.with_suffix(".json")
    with atomically(csv) as partial:
        _texts(found).to_csv(partial, index=False)
    with atomically(system) as partial:
        partial.write_text(json.dumps(made, indent=1) + "\n")
    return csv, system
