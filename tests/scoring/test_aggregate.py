import json

import numpy as np
import pandas as pd
import pytest

from unsung.reporting import markdown
from unsung.scoring import aggregate

SECONDS = {"a": 10.0, "b": 30.0, "silent": 99.0}


@pytest.fixture
def frames():
    """Track a has a frame with a silent reference, track b one with a silent estimate."""
    rows = []
    for track, offset in (("a", 0.0), ("b", 10.0), ("silent", np.nan)):
        for system, gain in (("unsung", 5.0), ("mixture", 0.0)):
            for source in ("vocals", "accompaniment"):
                for frame in range(4):
                    reference = bool(np.isnan(offset)) or (track == "a" and frame == 3)
                    estimate = track == "b" and frame == 3
                    dropped = "silent reference" if reference else "silent estimate" if estimate else ""
                    value = np.nan if dropped else offset + gain + frame
                    rows.append(
                        {"track": track, "system": system, "source": source, "frame": frame, "start": float(frame)}
                        | dict.fromkeys(("sdr", "isr", "sir", "sar"), value)
                        | {"dropped": dropped}
                    )
    return rows


@pytest.fixture
def whole(frames):
    rows = []
    for row in frames[::4]:  # the first frame of each has its lowest score
        scores = {
            "v3_sdr": row["sdr"],
            "v3_sir": np.inf if (row["track"], row["system"]) == ("a", "unsung") else 4.0,
            "v3_sar": 7.0,
        }
        others = {"global_sdr": row["sdr"] + 1, "si_sdr": 2.0, "stft_distance": 0.5, "ill_posed": False}
        rows.append({name: row[name] for name in aggregate.KEYS} | {"seconds": SECONDS[row["track"]]} | scores | others)
    return rows


@pytest.fixture
def tracks(frames, whole):
    return aggregate.by_track(frames, whole)


def of(track, rows):
    return [row for row in rows if row["track"] == track]


def test_medians_over_frames_and_then_over_tracks(tracks):
    table = pd.DataFrame(tracks)
    mine = table[(table["system"] == "unsung") & (table["source"] == "vocals")].set_index("track")
    assert mine["sdr"].tolist()[:2] == [6.0, 16.0] and np.isnan(mine.loc["silent", "sdr"])
    assert mine[list(aggregate.COUNTS)].values.tolist() == [[3, 1, 0], [3, 0, 1], [0, 4, 0]]
    found = pd.DataFrame(aggregate.by_system(tracks)).set_index(["system", "source"]).loc[("unsung", "vocals")]
    assert found["sdr"] == (6.0 + 16) / 2
    assert np.isnan([found["sdr_low"], found["sdr_high"]]).all()  # two tracks are too few
    assert found["sdr_worst"] == 6.0 and found["sdr_p10"] == pytest.approx(7.0)  # a tenth of the way from 6 to 16
    assert found[list(aggregate.COUNTS)].tolist() == [6, 5, 1]


def test_whole_tracks_are_averaged_by_their_length(tracks):
    found = pd.DataFrame(aggregate.by_system(tracks)).set_index(["system", "source"])
    mine = found.loc[("unsung", "vocals")]
    assert mine["gnsdr"] == 5.0 and mine["nsdr"] == 5.0
    assert mine["gsir"] == 4.0 and mine["gsar"] == 7.0  # what is infinite is left out
    assert mine["usdr"] == ((5 + 1) + (15 + 1)) / 2  # not by length
    assert found.loc[("mixture", "vocals"), "gnsdr"] == 0


def test_metrics_are_finite_numbers_and_count_what_was_dropped(tracks):
    found = aggregate.metrics(tracks, "unsung")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    expected = {"sdr": 11.0, "sdr_gain": 5.0, "usdr": 11.0, "gnsdr": 5.0, "gsir": 4.0}
    assert found["vocals"] | expected == found["vocals"] and "sdr_low" not in found["vocals"]
    assert found["counts"] == {"frames": 6, "silent_frames": 5, "silent_estimates": 1, "tracks": 3, "unscored_tracks": 1}


def test_without_any_score_the_numbers_are_left_out(tracks):
    found = aggregate.metrics(of("silent", tracks), "unsung")
    assert "sdr" not in found["vocals"] and "usdr" not in found["vocals"] and found["counts"]["unscored_tracks"] == 1


def test_without_the_mixture_there_is_no_gain(frames, whole):
    alone = [[row for row in rows if row["system"] == "unsung"] for rows in (frames, whole)]
    assert np.isnan([row["nsdr"] for row in aggregate.by_track(*alone)]).all()


def test_a_table_for_people(tracks):
    found = aggregate.shown(aggregate.by_system(tracks))
    assert found["95 %"][0] == "-"
    many = [row | {"track": str(n), "sdr": float(n)} for n in range(5) for row in of("a", tracks)]
    assert aggregate.shown(aggregate.by_system(many))["95 %"][0] == "0.00 to 4.00"
    assert found["dropped"][0] == "5 silent reference, 1 silent estimate"
    assert "sdr low" not in found and "frames" not in found
    one = aggregate.shown([row | {"nsdr": np.nan} for row in of("a", tracks)])
    assert one["dropped"] == ["1 silent reference"] * 4 and "nsdr" not in one and "seconds" not in one


def test_a_markdown_table_has_two_digits_and_dashes_and_no_bars_of_its_own():
    columns = {"track": ["a", "b|c"], "sdr": [1.234, np.nan], "frames": [3, None]}
    expected = ["| track | sdr | frames |", "| --- | --- | --- |", "| a | 1.23 | 3 |", r"| b\|c | - | - |"]
    assert markdown.table(columns).splitlines() == expected
    assert markdown.table(pd.DataFrame(columns).astype({"frames": "Int64"})).splitlines() == expected


def test_the_wide_table_has_a_row_for_each_track(tracks):
    found = pd.DataFrame(aggregate.wide(tracks, "unsung"))
    assert found["track"].tolist() == ["a", "b", "silent"]
    assert found["vocals_sdr"].tolist()[:2] == [6.0, 16.0] and found["vocals_nsdr"].tolist()[:2] == [5.0, 5.0]
    assert found["accompaniment_sdr_of_mixture"].tolist()[:2] == [1.0, 11.0]
    assert found["silent_frames"].tolist() == [1, 0, 4] and found["silent_estimates"].tolist() == [0, 1, 0]
