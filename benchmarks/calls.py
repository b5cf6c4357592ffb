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
from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from unsung.data.tracks import read_index
from unsung.devices import generators
from unsung.draws import Case, case, draws, over_targets, scores, segments, waveforms
from unsung.errors import UserError, told_in_one_line
from unsung.models.processes import bridge, ddpm
from unsung.models.processes.base import remaining
from unsung.models.separator import Separator
from unsung.scoring.whole import global_sdr

TIMES = (0.9, 0.75, 0.5, 0.25)
STATES = ("truth", "own answer", "another's truth")


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
        return remaining(separator.network(process.seen(state, y), y, time), y)
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
    answers = [draws(separator, found, separator.process.settings.calls, 1, seed)[0] for found in cases]
    rows = []
    for t in TIMES:
        made = {state: list[float]() for state in STATES}
        for number, (found, answer) in enumerate(zip(cases, answers, strict=True)):
            other = cases[(number + len(cases) // 2) % len(cases)].truth
            for state, a in zip(STATES, (found.truth, answer, other), strict=True):
                estimates = waveforms(separator, found, one_call(separator, found, a, t, seed + number))
                made[state].append(over_targets(global_sdr, found.segment.targets, estimates))
        rows.append({"time": t, **{state: float(np.median(values)) for state, values in made.items()}})
    return pd.DataFrame(rows)


def by_calls(separator: Separator, cases: Sequence[Case], numbers: Sequence[int], count: int, seed: int) -> pd.DataFrame:
    """A row for each number of calls.

    sdr and sdr_of_mean: medians of one draw and of the mean of all (dB); stft_distance: that of one
    draw; crps and mae: means of the absolute error of spectra at a mixture of rms 1, for the
    distribution and for the mean alone; ratio: spread over skill, 1 is calibrated.
    """
    rows = []
    for calls in numbers:
        found = [scores(separator, one, draws(separator, one, calls, count, seed + number)) for number, one in enumerate(cases)]
        table, together = pd.DataFrame(found), reduce(add, (each.spread for each in found))
        rows.append(
            {
                "calls": calls,
                "draws": together.draws,
                **table[["sdr", "sdr_of_mean", "stft_distance"]].median().to_dict(),
                **table[["crps", "mae"]].mean().to_dict(),
                "ratio": together.ratio,
            }
        )
    return pd.DataFrame(rows)


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
        tracks, targets = read_index(told.stems), separator.config.targets
        cases = [case(separator, each) for track in tracks for each in segments(track, targets, samples, told.segments)]
        if not cases:
            raise UserError(f"no {told.seconds:g} s of {told.stems} have all of {', '.join(targets)}; take other tracks")
        tables = {}
        if isinstance(separator.process, (bridge.Process, ddpm.Process)):
            tables["states"] = by_state(separator, cases, told.seed)
        numbers = told.calls if separator.process.repeats else [1]
        tables["calls"] = by_calls(separator, cases, numbers, told.draws, told.seed)
        for name, rows in tables.items():
            print(f"{name}, {len(cases)} segments of {told.seconds:g} s\n\n{rows.to_markdown(index=False, floatfmt='.3f')}\n")
            if told.csv:
                told.csv.mkdir(parents=True, exist_ok=True)
                rows.to_csv(told.csv / f"{name}.csv", index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    main()
