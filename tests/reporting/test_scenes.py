import numpy as np
import pandas as pd
import pytest

from tests.conftest import changed
from unsung.reporting.scenes import chosen
from unsung.scoring.scorer import Rows


def scores_of(sdrs: dict[str, float], seconds: float = 20.0) -> Rows:
    rows = [{"track": track, "system": "unsung", "source": "vocals", "sdr": sdr, "seconds": seconds} for track, sdr in sdrs.items()]
    return [*rows, {**rows[0], "source": "accompaniment"}, {**rows[0], "system": "mixture"}]


def frames_of(track: str, sdrs: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"start": np.arange(len(sdrs), dtype=float), "sdr": sdrs})
    return table.assign(track=track, system="unsung", source="vocals")


def wanted(params, **report):
    return changed(params, **{f"report__{name}": value for name, value in report.items()})


def test_tracks_are_shown_from_the_worst_to_the_best(params):
    scores = scores_of({"a": 3.0, "b": 9.0, "c": 1.0, "d": np.nan, "e": 5.0})
    frames = frames_of("a", [3.0] * 20)
    every = chosen(scores, frames, wanted(params, tracks=9, worst_moments=0))
    assert [moment.track for moment in every] == ["c", "a", "e", "b", "d"]
    assert [moment.track for moment in chosen(scores, frames, wanted(params, tracks=3, worst_moments=0))] == ["c", "e", "d"]
    assert [moment.track for moment in chosen(scores, frames, wanted(params, tracks=1, worst_moments=0))] == ["c"]


def test_a_clip_is_the_middle_of_a_track_or_all_of_a_short_one(params):
    frames = frames_of("a", [3.0])
    (moment,) = chosen(scores_of({"a": 3.0}), frames, wanted(params, clip_seconds=5.0, worst_moments=0))
    assert (moment.start, moment.end, moment.worst) == (7.0, 12.0, None)
    (moment,) = chosen(scores_of({"a": 3.0}, seconds=2.5), frames, wanted(params, clip_seconds=5.0, worst_moments=0))
    assert (moment.start, moment.end) == (0.0, 2.5)


def test_the_worst_moments_are_of_different_tracks_and_lie_within_their_clips(params):
    scores = scores_of({"a": 3.0, "b": 9.0})
    frames = pd.concat([frames_of("a", [5.0] * 19 + [-9.0]), frames_of("b", [-3.0, np.nan, *[8.0] * 18])])
    found = chosen(scores, frames, wanted(params, tracks=1, worst_moments=3, clip_seconds=8.0))[1:]
    assert [(moment.track, moment.worst, moment.sdr) for moment in found] == [("a", 19.0, -9.0), ("b", 0.0, -3.0)]
    assert [(moment.start, moment.end) for moment in found] == [(16.0, 20.0), (0.0, 4.0)]


@pytest.mark.parametrize("window", [0.5, 2.0, 2.5, 10.0])
def test_clips_begin_with_a_frame_whatever_its_length(params, window):
    scores = scores_of({"a": 3.0})
    frames = frames_of("a", [5.0, 4.0])
    frames["start"] *= window
    wanted_here = wanted(changed(params, evaluate__window_seconds=window), clip_seconds=5.0, worst_moments=1)
    middle, worst = chosen(scores, frames, wanted_here)
    for moment in (middle, worst):
        assert moment.start / window == pytest.approx(round(moment.start / window))
    assert worst.start <= worst.worst == window and worst.end >= min(20.0, window + window)


def test_a_scene_has_all_sounds_of_its_moment(run):
    middle, worst = run.scenes()
    for scene in (middle, worst):
        length = round((scene.moment.end - scene.moment.start) * 8000)
        assert {len(x) for x in (scene.mixture, *scene.references.values(), *scene.estimates.values())} == {length}
        np.testing.assert_allclose(sum(scene.references.values()), scene.mixture, atol=1e-6)
        np.testing.assert_allclose(sum(scene.estimates.values()), scene.mixture, atol=1e-6)
        assert set(scene.estimates) == {"vocals", "accompaniment"}
    assert middle.moment.start == 1.0 and sorted(middle.frames["start"].unique()) == [0.0, 1.0]
    at = worst.frames[(worst.frames["source"] == "vocals") & (worst.frames["start"] == worst.moment.worst - worst.moment.start)]
    assert at["sdr"].item() == worst.moment.sdr == worst.frames[worst.frames["source"] == "vocals"]["sdr"].min()


def test_a_scene_has_the_part_of_the_map_that_is_of_its_moment(run):
    for scene in run.scenes():
        whole = np.load(run.uncertainty / run.track.name / "vocals.npy")
        columns = slice(round(scene.moment.start * 8000) // 256, -(-round(scene.moment.end * 8000) // 256))
        np.testing.assert_array_equal(scene.uncertainty["vocals"], whole[:, columns])


@pytest.mark.parametrize("name", ["worst", "sdr"])
def test_a_moment_of_the_middle_is_not_said_to_be_bad(run, name):
    assert getattr(run.scenes()[0].moment, name) is None
    assert getattr(run.scenes()[1].moment, name) is not None
