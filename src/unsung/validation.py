"""The SDR of validation tracks, which chooses the best weights."""

import numpy as np

from unsung import audio, separation
from unsung.config.schema import Params
from unsung.data.tracks import Track, mixture
from unsung.models.separator import Separator
from unsung.scoring import formulas
from unsung.windows import Plan


def valid_plan(params: Params) -> Plan:
    """Windows of 8 s that overlap by 2 s, independent of the params of the stage `separate`."""
    second = params.audio.sample_rate
    return Plan(8 * second, 2 * second, batch_size=1, seed=params.seed)


def valid_sdr(separator: Separator, track: Track, plan: Plan) -> float:
    """The median SDR (dB) over the seconds in which a target sounds, averaged over the targets."""
    separator.eval()
    estimates = np.concatenate(list(separation.stems(separator, mixture(track), plan)), axis=1)
    second = separator.config.sample_rate
    medians = []
    for target, estimate in zip(separator.config.targets, estimates, strict=True):
        reference = audio.read(track.stems[target])
        sounds = ~formulas.silent(reference, second)
        medians.append(np.median(formulas.framewise_sdr(reference, estimate, second)[sounds]) if sounds.any() else 0.0)
    return float(np.mean(medians))
