"""Whatever song, options, folders and kills: inputs stay, and what has a final name is whole."""

import shutil
import signal

import numpy as np
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.faults.fault import check_whole, contents
from tests.faults.runner import Limits
from unsung import formats

NAMES = ["song.wav", "a/song.flac", "out/song.ogg", "out/vocals/vocals.flac", "out/song/song.wav", "out/accompaniment.flac"]
SONGS = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from([8000, 11_025, 44_100]),
    st.integers(1, 3),  # channels
    st.integers(1, 30_000),  # frames
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "--seed": st.integers(0, 3),
        "--calls": st.integers(1, 2),
        "--window": st.sampled_from([0.5, 1, 8]),
        "--overlap": st.sampled_from([0, 0.25, 0.5]),
    },
)
ENDS = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([signal.SIGKILL, signal.SIGINT, signal.SIGTERM]), st.floats(0.05, 0.5)),
    st.integers(0, 200_000),  # bytes of the largest file
)


@settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(songs=st.lists(SONGS, min_size=1, max_size=3), runs=st.lists(st.tuples(OPTIONS, ENDS), min_size=1, max_size=3))
def test_no_input_is_touched_and_final_files_are_whole(songs, runs, runner, template, tmp_path):
    shutil.rmtree(tmp_path)
    shutil.copytree(template, tmp_path)
    for number, (name, rate, channels, frames) in enumerate(songs):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal((frames, channels)), rate)
    before = contents(tmp_path)
    for options, end in runs:
        words = [word for option, value in options.items() for word in (option, str(value))]
        limits = Limits()
        if isinstance(end, int):
            limits = Limits(file_bytes=end)
        elif end:
            limits = Limits(signal=(end[0], ""), delay=end[1])
        done = runner.run(["separate", *{name for name, *_ in songs}, "-m", "models/tiny", *words], tmp_path, limits, 30)
        assert not done.hung and "Traceback" not in done.err, done.err
        after = contents(tmp_path)
        assert {name: after.get(name) for name in before} == before
        for path in tmp_path.glob("out/[!.]*/*.flac"):
            if str(path.relative_to(tmp_path)) not in before:
                check_whole(path)
                assert formats.is_whole(path)
