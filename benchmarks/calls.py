"""What a model's process makes of its state, and what its calls and draws bring.

    python benchmarks/calls.py models/best data/stems/valid

First one call of the network at several times, with states made of the truth, of the model's own
answer and of another segment's truth. If the truth is far better than the own answer, the network
trusts its state more than it may; if all are alike, it ignores it. Then, for each number of calls:
the scores of one draw, of the mean of several, and of all of them as a distribution. Truths are
those of the counterfactual, SDRs of the targets. One thread; a table is printed and, by --csv,
written. Choose the tracks among those for validation.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from unsung import audio, spectrum
from unsung.audio import Samples
from unsung.data.tracks import Track, mixture, read_index
from unsung.devices import generators
from unsung.errors import UserError, told_in_one_line
from unsung.models.processes import bridge, ddpm
from unsung.models.processes.base import remaining
from unsung.models.separator import Separator
from unsung.scoring.generation import Spread, crps, spread
from unsung.scoring.whole import global_sdr, stft_distance

TIMES = (0.9, 0.75, 0.5, 0.25)
STATES = ("truth", "own answer", "another's truth")
QUIET = 1e-3  # rms of a target that does not sound


@dataclass(frozen=True)
class Segment:
    """A moment of a track in which the targets sound."""

    mixture: Float[Tensor, "channel sample"]
    targets: Float[Tensor, "target channel sample"]


def segments(tracks: Sequence[Track], targets: Sequence[str], samples: int, count: int) -> list[Segment]:
    """`count` segments of each track, evenly spread, without those in which a target is silent.

    Raises:
        UserError: none is left.
    """
    found = list(_found(tracks, targets, samples, count))
    if not found:
        raise UserError(f"no segment of {samples} samples has all of {', '.join(targets)}; take other tracks")
    return found


def _found(tracks: Sequence[Track], targets: Sequence[str], samples: int, count: int) -> Iterator[Segment]:
    for track in tracks:
        whole = torch.from_numpy(np.concatenate(list(mixture(track))).T.copy())
        parts = torch.stack([torch.from_numpy(audio.read(track.stems[target]).T.copy()) for target in targets])
        for first in np.linspace(0, max(0, whole.shape[1] - samples), count).astype(int):
            some = slice(int(first), int(first) + samples)
            if whole[:, some].shape[1] == samples and (parts[..., some].square().mean((1, 2)).sqrt() > QUIET).all():
                yield Segment(whole[:, some], parts[..., some])


@dataclass(frozen=True)
class Case:
    """A segment in the frequency domain at the level that the network sees."""

    segment: Segment
    y: Tensor  # (1, channel, freq, frame)
    truth: Tensor  # the counterfactual (1, target, channel, freq, frame)
    scale: float


def case(separator: Separator, segment: Segment) -> Case:
    """The spectra of a segment."""
    stft = separator.config.stft
    y, stems = stft.forward(segment.mixture)[None], stft.forward(segment.targets)[None]
    scale = float(spectrum.rms(y))
    return Case(segment, y / scale, (y.unsqueeze(1) - stems) / scale, scale)


def waveforms(separator: Separator, found: Case, counterfactual: Tensor) -> Tensor:
    """The targets that a counterfactual leaves, (target, channel, sample)."""
    samples = found.segment.mixture.shape[-1]
    return found.segment.mixture - separator.config.stft.inverse(counterfactual[0] * found.scale, samples)


def over_targets(score: Callable[[Samples, Samples], float], found: Case, estimates: Tensor) -> float:
    """The mean over the targets of a score of waveforms."""
    pairs = zip(found.segment.targets, estimates, strict=True)
    return float(np.mean([score(true.T.numpy(), one.T.numpy()) for true, one in pairs]))


@torch.inference_mode()
def one_call(separator: Separator, found: Case, a: Tensor, t: float, seed: int) -> Tensor:
    """The answer of the network at time t, in a state that is made of the counterfactual `a`.

    Raises:
        UserError: the process has no state.
    """
    process, y, rngs = separator.process, found.y, generators([(seed, 7)], torch.device("cpu"))
    if isinstance(process, bridge.Process):
        time = torch.tensor([t])
        state = bridge.marginal(a, y, time, process.settings.forward.sigma, rngs)
        return remaining(separator.network(state, y, time), y)
    if isinstance(process, ddpm.Process):
        step = round(t * (process.settings.forward.timesteps - 1))
        abar, kind = process.abar[torch.tensor([step])], process.settings.forward.prediction
        x = ddpm.marginal(process.diffused(a), ddpm.gaussian(a, rngs), abar)
        out = separator.network(process.undiffused(x), y, process.relative(torch.tensor([step])))
        if kind == "data":
            return remaining(out, y)
        return process.undiffused(ddpm.split(out, x, float(abar), kind)[0])
    raise UserError("this model's process has no state, so its calls cannot be told apart; take a bridge or a ddpm")


def by_state(separator: Separator, cases: Sequence[Case], seed: int) -> pd.DataFrame:
    """A row for each time: the median SDR of one call, by what its state is made of."""
    answers = [draws(separator, found, 1, separator.process.settings.calls, seed)[0] for found in cases]
    rows = []
    for t in TIMES:
        made = {state: list[float]() for state in STATES}
        for number, (found, answer) in enumerate(zip(cases, answers, strict=True)):
            other = cases[(number + len(cases) // 2) % len(cases)].truth
            for state, a in zip(STATES, (found.truth, answer, other), strict=True):
                estimates = waveforms(separator, found, one_call(separator, found, a, t, seed + number))
                made[state].append(over_targets(global_sdr, found, estimates))
        rows.append({"time": t, **{state: float(np.median(values)) for state, values in made.items()}})
    return pd.DataFrame(rows)


@torch.inference_mode()
def draws(separator: Separator, found: Case, count: int, calls: int, seed: int) -> Tensor:
    """Spectra (draw, 1, target, channel, freq, frame); a single draw where nothing is drawn."""
    if separator.process.has_state:
        separator.sample_with(separator.process.settings.changed(calls=calls, draws=count))
    rngs = generators([(seed, 8)], torch.device("cpu"))
    return separator.process.sample(separator.network, found.y, len(separator.config.targets), rngs)


def by_calls(separator: Separator, cases: Sequence[Case], numbers: Sequence[int], count: int, seed: int) -> pd.DataFrame:
    """A row for each number of calls.

    sdr and sdr_of_mean: medians of one draw and of the mean of all (dB); stft: the multi-resolution
    STFT distance of one draw; crps and mae: means of the absolute error of spectra at a mixture of
    rms 1, for the distribution and for the mean alone; ratio: spread over skill, 1 is calibrated.
    """
    rows = []
    for calls in numbers:
        found = [_scores(separator, one, draws(separator, one, count, calls, seed + number)) for number, one in enumerate(cases)]
        table, together = pd.DataFrame([scores for scores, _ in found]), reduce(add, (spreads for _, spreads in found))
        rows.append(
            {
                "calls": calls,
                "draws": together.draws,
                **table[["sdr", "sdr_of_mean", "stft"]].median().to_dict(),
                **table[["crps", "mae"]].mean().to_dict(),
                "ratio": together.ratio,
            }
        )
    return pd.DataFrame(rows)


def _scores(separator: Separator, found: Case, drawn: Tensor) -> tuple[dict[str, float], Spread]:
    mean = drawn.mean(0)
    single = waveforms(separator, found, drawn[0])
    scores = {
        "sdr": over_targets(global_sdr, found, single),
        "sdr_of_mean": over_targets(global_sdr, found, waveforms(separator, found, mean)),
        "stft": over_targets(stft_distance, found, single),
        "crps": crps(drawn, found.truth),
        "mae": crps(mean[None], found.truth),
    }
    return scores, spread(drawn, found.truth)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument(
        "stems", type=Path, nargs="?", default=Path("data/stems/valid"), help="a split that the stage resample wrote"
    )
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 2, 4, 8], help="numbers of network calls")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a segment")
    parser.add_argument("--segments", type=int, default=4, help="of each track")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path, help="a folder for states.csv and calls.csv")
    told = parser.parse_args()
    torch.set_num_threads(1)
    with told_in_one_line():
        separator = Separator.load(told.model)
        samples = round(told.seconds * separator.config.sample_rate)
        cases = [
            case(separator, each) for each in segments(read_index(told.stems), separator.config.targets, samples, told.segments)
        ]
        tables = {}
        if separator.process.has_state:
            tables["states"] = by_state(separator, cases, told.seed)
        numbers = told.calls if separator.process.has_state else [1]
        tables["calls"] = by_calls(separator, cases, numbers, told.draws, told.seed)
        for name, rows in tables.items():
            print(f"{name}, {len(cases)} segments of {told.seconds:g} s\n\n{rows.to_markdown(index=False, floatfmt='.3f')}\n")
            if told.csv:
                told.csv.mkdir(parents=True, exist_ok=True)
                rows.to_csv(told.csv / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    main()
