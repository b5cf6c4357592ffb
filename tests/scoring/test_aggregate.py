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
    return pd.DataFrame(rows)


@pytest.fixture
def whole(frames):
    table = frames.groupby(["track", "system", "source"], sort=False).agg(v3_sdr=("sdr", "min")).reset_index()
    table["seconds"] = table["track"].map(SECONDS)
    table["v3_sir"] = [np.inf if (t, s) == ("a", "unsung") else 4.0 for t, s in zip(table["track"], table["system"], strict=True)]
    return table.assign(v3_sar=7.0, global_sdr=table["v3_sdr"] + 1, si_sdr=2.0, stft_distance=0.5, ill_posed=False)


@pytest.fixture
def tracks(frames, whole):
    return aggregate.by_track(frames, whole)


def test_medians_over_frames_and_then_over_tracks(tracks):
    mine = tracks[(tracks["system"] == "unsung") & (tracks["source"] == "vocals")].set_index("track")
    assert mine["sdr"].tolist()[:2] == [6.0, 16.0] and np.isnan(mine.loc["silent", "sdr"])
    assert mine[list(aggregate.COUNTS)].values.tolist() == [[3, 1, 0], [3, 0, 1], [0, 4, 0]]
    found = aggregate.by_system(tracks).set_index(["system", "source"]).loc[("unsung", "vocals")]
    assert found["sdr"] == (6.0 + 16) / 2
    assert np.isnan([found["sdr_low"], found["sdr_high"]]).all()  # two tracks are too few
    assert found[list(aggregate.COUNTS)].tolist() == [6, 5, 1]


def test_whole_tracks_are_averaged_by_their_length(tracks):
    found = aggregate.by_system(tracks).set_index(["system", "source"])
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
    found = aggregate.metrics(tracks[tracks["track"] == "silent"], "unsung")
    assert "sdr" not in found["vocals"] and "usdr" not in found["vocals"] and found["counts"]["unscored_tracks"] == 1


def test_without_the_mixture_there_is_no_gain(frames, whole):
    alone = [table[table["system"] == "unsung"] for table in (frames, whole)]
    assert aggregate.by_track(*alone)["nsdr"].isna().all()


def test_a_table_for_people(tracks):
    found = aggregate.shown(aggregate.by_system(tracks))
    assert found["95 %"].iloc[0] == "-"
    many = pd.concat([tracks[tracks["track"] == "a"].assign(track=str(n), sdr=float(n)) for n in range(5)])
    assert aggregate.shown(aggregate.by_system(many))["95 %"].iloc[0] == "0.00 to 4.00"
    assert found["dropped"].iloc[0] == "5 silent reference, 1 silent estimate"
    assert "sdr low" not in found and "frames" not in found
    one = aggregate.shown(tracks[tracks["track"] == "a"].assign(nsdr=np.nan))
    assert one["dropped"].tolist() == ["1 silent reference"] * 4 and "nsdr" not in one and "seconds" not in one


def test_a_markdown_table_has_two_digits_and_dashes_and_no_bars_of_its_own():
    text = markdown.table(pd.DataFrame({"track": ["a", "b|c"], "sdr": [1.234, np.nan], "frames": [3, 0]}))
    assert text.splitlines() == ["| track | sdr | frames |", "| --- | --- | --- |", "| a | 1.23 | 3 |", r"| b\|c | - | 0 |"]


def test_the_wide_table_has_a_row_for_each_track(tracks):
    found = aggregate.wide(tracks, "unsung")
    assert found["track"].tolist() == ["a", "b", "silent"]
    assert found["vocals_sdr"].tolist()[:2] == [6.0, 16.0] and found["vocals_nsdr"].tolist()[:2] == [5.0, 5.0]
    assert found["accompaniment_sdr_of_mixture"].tolist()[:2] == [1.0, 11.0]
    assert found["silent_frames"].tolist() == [1, 0, 4] and found["silent_estimates"].tolist() == [0, 1, 0]
