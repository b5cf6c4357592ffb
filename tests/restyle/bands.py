"""Songs in two styles: the demo's composer, played by the pop band and by the carol band."""

from functools import lru_cache

import numpy as np
import soxr

from unsung.data.synth.band import RATE
from unsung.data.synth.mixing import play_score
from unsung.data.synth.score import Score
from unsung.restyle.carol import play
from unsung.restyle.mel import Mel
from unsung.restyle.pairs import Pair

MEL = Mel(sample_rate=16_000, n_fft=1024, hop_length=256, bands=128)
SECONDS = 5.0


@lru_cache
def song(seed: int) -> tuple[Pair, Score]:
    stems, score = play_score(np.random.default_rng(seed), SECONDS)
    pop, carol = np.sum(list(stems.values()), axis=0).mean(axis=1), play(score, SECONDS).mean(axis=1)
    return Pair(str(seed), *(soxr.resample(x, RATE, MEL.sample_rate).astype(np.float32) for x in (pop, carol))), score
