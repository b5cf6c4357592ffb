import json

import numpy as np
import pandas as pd
import pytest

from unsung.reporting import tables

NOT_SCORED = pd.DataFrame(columns=["source", "sdr", "sir", "sar", "track", "system", "seconds"])


@pytest.fixture
def frames():
    rows = []
    for track, offset in (("a", 0.0), ("b", 10.0), ("silent", np.nan)):
        for system, gain in (("unsung", 5.0), ("mixture", 0.0)):
            for source in ("vocals", "accompaniment"):
                for frame in range(3):
                    silent = bool(np.isnan(offset)) or (track == "a" and frame == 2)
                    value = np.nan if silent else offset + gain + frame
                    rows.append(
                        {"track": track, "system": system, "source": source, "frame": frame, "start": float(frame)}
                        | dict.fromkeys(("sdr", "isr", "sir", "sar"), value)
                        | {"silent": silent}
                    )
    return pd.DataFrame(rows)


def test_medians_over_frames_and_then_over_tracks(frames):
    tracks = tables.by_track(frames, NOT_SCORED)
    mine = tracks[(tracks["system"] == "unsung") & (tracks["source"] == "vocals")].set_index("track")
    assert mine["sdr"].tolist()[:2] == [5.5, 16.0] and np.isnan(mine.loc["silent", "sdr"])
    assert mine[["frames", "silent_frames"]].values.tolist() == [[2, 1], [3, 0], [0, 3]]
    found = tables.by_system(tracks).set_index(["system", "source"])
    assert found.loc[("unsung", "vocals"), "sdr"] == (5.5 + 16) / 2


def test_metrics_are_finite_numbers_and_count_what_was_dropped(frames):
    found = tables.metrics(tables.by_track(frames, NOT_SCORED), NOT_SCORED, "unsung")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["vocals"] == {"sdr": 10.75, "isr": 10.75, "sir": 10.75, "sar": 10.75, "sdr_gain": 5.0}
    assert found["counts"] == {"frames": 5, "silent_frames": 4, "tracks": 3, "unscored_tracks": 1}


def test_without_any_score_the_numbers_are_left_out(frames):
    found = tables.metrics(tables.by_track(frames[frames["track"] == "silent"], NOT_SCORED), NOT_SCORED, "unsung")
    assert found["vocals"] == {} and found["counts"]["unscored_tracks"] == 1


def test_a_markdown_table_has_two_digits_and_dashes():
    text = tables.markdown(pd.DataFrame({"track": ["a", "b"], "sdr": [1.234, np.nan], "frames": [3, 0]}))
    assert text.splitlines() == ["| track | sdr | frames |", "| --- | --- | --- |", "| a | 1.23 | 3 |", "| b | - | 0 |"]


def test_the_wide_table_has_a_row_for_each_track(frames):
    found = tables.wide(tables.by_track(frames, NOT_SCORED), "unsung")
    assert found["track"].tolist() == ["a", "b", "silent"]
    assert found["vocals_sdr"].tolist()[:2] == [5.5, 16.0]
    assert found["accompaniment_sdr_of_mixture"].tolist()[:2] == [0.5, 11.0]
    assert found["silent_frames"].tolist() == [1, 0, 3]


def test_whole_tracks_are_averaged_by_their_length(frames):
    rows = [("a", 10.0, "unsung", 5.0, np.inf), ("b", 30.0, "unsung", 9.0, 4.0), ("c", 99.0, "unsung", np.nan, np.nan)]
    rows += [("a", 10.0, "mixture", 1.0, 0.0), ("b", 30.0, "mixture", -1.0, 0.0), ("c", 99.0, "mixture", np.nan, np.nan)]
    whole = pd.DataFrame(rows, columns=["track", "seconds", "system", "sdr", "sir"]).assign(sar=7.0, source="vocals")
    whole = whole.replace(np.inf, np.nan)
    found = tables.over_length(whole).set_index("system")
    assert found.loc["unsung", ["gnsdr", "gsir", "gsar"]].tolist() == [(10 * 4 + 30 * 10) / 40, 4.0, 7.0]
    assert found.loc["mixture", "gnsdr"] == 0
    tracks = tables.by_track(frames, whole)
    metrics = tables.metrics(tracks, whole, "unsung")
    assert metrics["vocals"]["gnsdr"] == 8.5 and metrics["vocals"]["nsdr"] == 7.0 and "gnsdr" not in metrics["accompaniment"]
    assert tables.wide(tracks, "unsung")["vocals_nsdr"].tolist()[:2] == [4.0, 10.0]
