import numpy as np
import pytest
import soundfile

from tests.restyle.conftest import params_with
from unsung.data.tracks import Recording
from unsung.restyle.sounding import made_ready

RATE = 8000
NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, 2 * RATE)


@pytest.mark.parametrize(
    "pop, carol, said",
    [
        (NOISE, NOISE, ""),
        (NOISE, 0 * NOISE, "in carol it is silent"),
        (NOISE[:4000], NOISE[:4000], "a song of 0.50 s cannot be scored, because it has no tempo"),
        (NOISE, np.append(NOISE, NOISE), "pop.wav ends 2.00 s before the others"),
    ],
)
def test_what_is_silent_or_short_or_no_pair_is_told(tmp_path, pop, carol, said):
    files = {"pop": tmp_path / "pop.wav", "carol": tmp_path / "carol.wav"}
    for path, samples in zip(files.values(), (pop, carol), strict=True):
        soundfile.write(path, samples, RATE)
    track, remarks = made_ready(Recording.of_files("A", "train", files), tmp_path / "stems", params_with().audio)
    assert bool(track) == (not said) and (not said or said in remarks[0]), remarks
