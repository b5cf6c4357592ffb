"""Scores of each track and number of calls: of one draw, of the mean of all, of them together."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from twins.systems import DRAWS, REFERENCE, SYSTEMS, System
from unsung import audio
from unsung.config.params import load_params
from unsung.data.tracks import Track, mixture, read_index
from unsung.devices import generators
from unsung.draws import STREAM, Case, Segment, case, draws, over_targets, waveforms
from unsung.files import atomically
from unsung.models.processes.base import shaped_noise
from unsung.models.separator import Separator
from unsung.scoring.bsseval import BSSEval
from unsung.scoring.generation import crps, spread
from unsung.scoring.whole import global_sdr, stft_distance

Signals = Float[np.ndarray, "_target _channel _sample"]
SECONDS = 8.0  # of a piece that is separated at once
TAPS = 512
NOISE = "predictive and noise of its valid error"


def score_all(project: Path, runs: Path, split: str, names: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    """The rows of all systems that are trained; those of one are kept beside its models."""
    tracks = {name: read_index(project / "data" / "stems" / name) for name in {"valid", split}}
    tables = []
    for seed, name in itertools.product(seeds, names):
        folder = runs / str(seed) / name
        jobs: dict[str, Callable[[], Iterator[dict[str, object]]]] = {}
        if folder.exists():
            jobs[name] = partial(system_rows, project, folder, SYSTEMS[name], tracks[split])
        if folder.exists() and name == REFERENCE:
            jobs[NOISE] = partial(noise_rows, folder, tracks["valid"], tracks[split])
        for system, work in jobs.items():
            kept = folder / f"{split} {system}.csv"
            if not kept.exists():
                with atomically(kept) as part:
                    pd.DataFrame(work()).to_csv(part, index=False, float_format="%.5g", lineterminator="\n")
                print(f"{system}, seed {seed}: {split} scored", flush=True)
            tables.append(pd.read_csv(kept).assign(system=system, seed=seed, split=split))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def system_rows(project: Path, folder: Path, system: System, tracks: Sequence[Track]) -> Iterator[dict[str, object]]:
    """The rows of a trained system."""
    separator = Separator.load(folder / "last")
    separator.sample_with(system.params(load_params(project / "params.yaml")).process)
    for track in tracks:
        yield from rows_of(separator, track, system.calls, system.draws)


def noise_rows(folder: Path, valid: Sequence[Track], tracks: Sequence[Track]) -> Iterator[dict[str, object]]:
    """The rows of the twin plus noise, beside the mixture as strong as its error on valid tracks.

    At each frequency on its own.
    """
    separator = Separator.load(folder / "last")
    error, power = torch.zeros(()), torch.tensor(1e-12)
    for track in valid:
        for found in (case(separator, segment) for segment in pieces(separator, track)):
            wrong = draws(separator, found, 1, 1, 0)[0] - found.truth
            error = error + wrong.abs().square().sum((0, 2, 4))  # (target, freq)
            power = power + found.y.abs().square().sum((0, 1, 3))
    level = (error / power).sqrt()[None, :, None, :, None]

    def noisy(found: Case, count: int, place: int) -> Tensor:
        answer = draws(separator, found, 1, 1, 0)[0]
        rngs = generators([(place, STREAM)], answer.device)
        return torch.stack([answer + level * shaped_noise(answer, found.y, rngs) for _ in range(count)])

    for track in tracks:
        cases = [case(separator, segment) for segment in pieces(separator, track)]
        drawn = [Piece(found, noisy(found, DRAWS, place)) for place, found in enumerate(cases)]
        yield {"track": track.name, "calls": 1, **scores(separator, drawn)}


@dataclass(frozen=True)
class Piece:
    """A piece of a track, and its draws."""

    found: Case
    drawn: Tensor  # (draw, 1, target, channel, freq, frame)


def rows_of(separator: Separator, track: Track, calls: Sequence[int], count: int) -> Iterator[dict[str, object]]:
    """A row for each number of calls."""
    cases = [case(separator, segment) for segment in pieces(separator, track)]
    for number in calls:
        drawn = [Piece(found, draws(separator, found, number, count, place)) for place, found in enumerate(cases)]
        yield {"track": track.name, "calls": number, **scores(separator, drawn)}


def pieces(separator: Separator, track: Track) -> Iterator[Segment]:
    """The track in pieces, one after the other; a rest of less than half belongs to the last."""
    samples = torch.from_numpy(np.concatenate(list(mixture(track))).T.copy())
    stems = torch.stack([torch.from_numpy(audio.read(track.stems[name]).T.copy()) for name in separator.config.targets])
    size = round(SECONDS * separator.config.sample_rate)
    starts = [start for start in range(0, samples.shape[1], size) if start == 0 or samples.shape[1] - start >= size / 2]
    for start, end in itertools.pairwise([*starts, samples.shape[1]]):
        yield Segment(samples[:, start:end], stems[..., start:end])


def scores(separator: Separator, drawn: Sequence[Piece]) -> dict[str, object]:
    """See docs/metrics.md; crps, mae and the root of `error` are in units of the mixture's rms."""
    truth = torch.cat([piece.found.segment.targets for piece in drawn], dim=2)
    whole = torch.cat([piece.found.segment.mixture for piece in drawn], dim=1)
    one = torch.cat([waveforms(separator, piece.found, piece.drawn[0]) for piece in drawn], dim=2)
    mean = torch.cat([waveforms(separator, piece.found, piece.drawn.mean(0)) for piece in drawn], dim=2)
    weights = [piece.drawn.shape[-1] for piece in drawn]
    spreads = [spread(piece.drawn, piece.found.truth) for piece in drawn]

    def over(values: Sequence[float]) -> float:
        return float(np.average(values, weights=weights))

    systems = {"one": one, "mean": mean, "mixture": whole.expand(truth.shape)}
    arrays = {name: estimates.numpy() for name, estimates in systems.items()}
    return {
        "seconds": whole.shape[1] / separator.config.sample_rate,
        "draws": len(drawn[0].drawn),
        "sdr": over_targets(global_sdr, truth, one),
        "sdr_of_mean": over_targets(global_sdr, truth, mean),
        "sdr_of_mixture": over_targets(global_sdr, truth, systems["mixture"]),
        "stft": over_targets(stft_distance, truth, one),
        "stft_of_mean": over_targets(stft_distance, truth, mean),
        "crps": over([crps(piece.drawn, piece.found.truth) for piece in drawn]),
        "mae": over([crps(piece.drawn.mean(0)[None], piece.found.truth) for piece in drawn]),
        "variance": over([each.variance for each in spreads]),
        "error": over([each.error for each in spreads]),
        **{f"v3_of_{name}": value for name, value in v3_sdr(truth.numpy(), whole.numpy(), arrays).items()},
    }


def v3_sdr(truth: Signals, whole: np.ndarray, systems: Mapping[str, Signals]) -> Mapping[str, float]:
    """The SDR of BSSEval v3 sources, of which GNSDR is made, the mean over the targets."""
    rest = (whole - truth.sum(0)).T
    evaluation = BSSEval([*(true.T for true in truth), rest], len(rest), TAPS)
    return {name: float(np.mean(evaluation.whole([one.T for one in estimates])[0])) for name, estimates in systems.items()}
