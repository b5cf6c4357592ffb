import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.conftest import song, workers, write_song
from unsung import audio
from unsung.config.schema import Evaluate
from unsung.errors import UserError
from unsung.scoring import folders as scored
from unsung.scoring.folders import as_json, sources_of
from unsung.scoring.scorer import MEASURES, Scorer, museval_metrics

RATE = 8000
SETTINGS = Evaluate(window_seconds=1.0, filter_taps=32, engine="unsung", silent_estimates="dropped")
ONE = workers(1)


def score_folders(*arguments, **options):
    """As tables, which are easier to ask."""
    frames, tracks, remarks = scored.score_folders(*arguments, **options)
    return pd.DataFrame(frames), pd.DataFrame(tracks), remarks


@pytest.fixture
def folders(tmp_path):
    """References: two tracks of four stems and a mixture. Estimates: vocals and accompaniment."""
    rng = np.random.default_rng(0)
    songs = {}
    for number, name in enumerate(("Artist - One", "test/Artist - Two")):
        stems = songs[name] = song(number, 3.5, RATE, channels=1)
        write_song(tmp_path / "references" / name, {**stems, "mixture": sum(stems.values())}, RATE, "flac")
        rest = sum(stems[stem] for stem in ("drums", "bass", "other"))
        noise = [0.01 * rng.standard_normal(rest.shape) for _ in range(2)]
        found = {"vocals": stems["vocals"] + 0.1 * rest + noise[0], "accompaniment": 0.9 * rest + noise[1]}
        write_song(tmp_path / "estimates" / name, found, RATE)
    return tmp_path / "references", tmp_path / "estimates"


def both(references, estimates, name):
    truth, found = (
        {path.stem: soundfile.read(path, always_2d=True)[0] for path in (x / name).iterdir()} for x in (references, estimates)
    )
    rest = sum(truth[stem] for stem in ("drums", "bass", "other"))
    return {"vocals": truth["vocals"], "accompaniment": rest}, found


def test_any_folder_is_scored_as_museval_does(folders):
    frames, tracks, remarks = score_folders(*folders, SETTINGS, workers(2))
    assert sorted(frames["track"].unique()) == ["Artist - One", "test/Artist - Two"]
    for name in frames["track"].unique():
        truth, found = both(*folders, name)
        expected = museval_metrics().bss_eval(
            np.stack(list(truth.values())), np.stack([found[source] for source in truth]), window=RATE, hop=RATE, filters_len=32
        )
        for i, source in enumerate(truth):
            rows = frames[(frames["track"] == name) & (frames["source"] == source)]
            for measure, values in zip(MEASURES, expected, strict=False):
                np.testing.assert_allclose(rows[measure], values[i], atol=1e-3, rtol=1e-3)  # float32 of what was read
    assert set(tracks["system"]) == {"estimates"} and tracks["nsdr"].isna().all()
    assert not [remark for remark in remarks if "left out" in remark]


def test_the_mixture_is_the_floor(folders):
    _, tracks, _ = score_folders(*folders, SETTINGS, ONE, mixture=True)
    rows = tracks.set_index(["system", "source", "track"])
    for name in ("Artist - One", "test/Artist - Two"):
        assert rows.loc[("mixture", "vocals", name), "nsdr"] == 0
        gain = rows.loc[("estimates", "vocals", name), "v3_sdr"] - rows.loc[("mixture", "vocals", name), "v3_sdr"]
        assert rows.loc[("estimates", "vocals", name), "nsdr"] == pytest.approx(gain) and gain > 5
    (folders[0] / "Artist - One" / "mixture.flac").unlink()  # then it is the sum of the stems
    again = score_folders(*folders, SETTINGS, ONE, mixture=True)[1].set_index(["system", "source", "track"])
    np.testing.assert_allclose(again["sdr"], rows["sdr"], atol=0.05)


def test_one_estimated_stem_is_scored_against_all_references(folders):
    references, estimates = folders
    for path in estimates.rglob("accompaniment.wav"):
        path.unlink()
    frames, _, remarks = score_folders(references, estimates, SETTINGS, ONE)
    assert set(frames["source"]) == {"vocals"}
    truth = {path.stem: soundfile.read(path, always_2d=True)[0] for path in (references / "Artist - One").iterdir()}
    truth.pop("mixture")
    truth = {"vocals": truth.pop("vocals"), **truth}
    found = soundfile.read(estimates / "Artist - One" / "vocals.wav", always_2d=True)[0]
    expected = pd.DataFrame(Scorer(truth, RATE, SETTINGS).frames({"vocals": found}))
    np.testing.assert_allclose(frames[frames["track"] == "Artist - One"]["sir"], expected["sir"], atol=1e-3)
    assert not [remark for remark in remarks if "left out" in remark]


def test_missing_tracks_and_stems_are_named(folders):
    references, estimates = folders
    (estimates / "Artist - One" / "vocals.wav").unlink()
    for path in (estimates / "test" / "Artist - Two").iterdir():
        path.unlink()
    write_song(estimates / "Somebody else", {"vocals": np.ones((100, 1))}, RATE)
    write_song(estimates / "Artist - One", {"guitar": np.ones((28_000, 1))}, RATE)
    with pytest.raises(UserError, match="lacks test/Artist - Two; add") as error:
        score_folders(references, estimates, SETTINGS, ONE)
    assert "guitar" not in str(error.value)
    write_song(estimates / "test" / "Artist - Two", song(1, 3.5, RATE, channels=1), RATE)
    with pytest.raises(UserError, match="lacks .*Artist - One/vocals"):
        score_folders(references, estimates, SETTINGS, ONE)
    frames, _, remarks = score_folders(references, estimates, SETTINGS, ONE, allow_missing=True)
    assert any("Artist - One/vocals" in remark and "left out" in remark for remark in remarks)
    assert any("Somebody else" in remark and "Artist - One/guitar" in remark for remark in remarks)
    assert "vocals" not in set(frames[frames["track"] == "Artist - One"]["source"])


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [((28_001, 1), RATE, "28001 samples"), ((28_000, 2), RATE, "2 channel"), ((28_000, 1), 16_000, "16000 Hz")],
)
def test_other_lengths_rates_and_channels_are_named(folders, samples, rate, words):
    write_song(folders[1] / "Artist - One", {"vocals": np.ones(samples)}, rate)
    with pytest.raises(UserError, match=rf"estimates/Artist - One/vocals.wav has .*{words}.*references/Artist - One/\w+.flac"):
        score_folders(*folders, SETTINGS, ONE)


def test_folders_that_cannot_be_meant(folders, tmp_path):
    references, estimates = folders
    with pytest.raises(UserError, match="is not a folder"):
        score_folders(references / "none", estimates, SETTINGS, ONE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no audio files"):
        score_folders(references, tmp_path / "empty", SETTINGS, ONE)
    with pytest.raises(UserError, match="lacks"):
        score_folders(references, estimates / "Artist - One", SETTINGS, ONE)
    with pytest.raises(UserError, match="same layout"):
        score_folders(references, estimates / "Artist - One", SETTINGS, ONE, allow_missing=True)
    write_song(references / "Artist - One", {"vocals": np.ones((5, 1))}, RATE, "wav")
    with pytest.raises(UserError, match="the same stem"):
        score_folders(references, estimates, SETTINGS, ONE)


def test_the_json_is_musevals_with_more_beside_it(folders):
    frames, tracks, _ = scored.score_folders(*folders, SETTINGS, ONE)
    frames[0]["sdr"], frames[1]["sdr"], frames[2]["dropped"] = np.nan, np.inf, "silent reference"
    found = json.loads(json.dumps(as_json(frames, tracks, SETTINGS), allow_nan=False))
    target = found["tracks"][0]["targets"][0]
    assert target["name"] == frames[0]["source"] and found["settings"]["filter_taps"] == 32
    assert [frame["metrics"]["SDR"] for frame in target["frames"]][:2] == [None, None]
    assert [frame.get("infinite") for frame in target["frames"]] == [None, ["SDR"], None]
    assert target["frames"][2]["dropped"] == "silent reference"
    expected = {"time": 1.0, "duration": 1.0, "metrics": {}, "dropped": "", "infinite": ["SDR"]}
    assert target["frames"][1] | {"metrics": {}} == expected
    assert {row["source"] for row in found["summary"]} == {"vocals", "accompaniment"}
    assert target["scores"]["frames"] == 3
    rows = [{"target": one["name"], **frame["metrics"]} for one in found["tracks"][0]["targets"] for frame in one["frames"]]
    assert pd.DataFrame(rows).groupby("target")[["SDR", "ISR", "SIR", "SAR"]].median().notna().all(axis=None)


def sets_of(truth, *wanted):
    """The sources of each set that is scored together, and what the accompaniment is the sum of."""
    sums = sources_of({stem: Path(stem) for stem in truth}, set(wanted))
    rest = next((paths for one in sums for stem, paths in one.items() if stem == "accompaniment"), ())
    return [set(one) for one in sums], {path.name for path in rest}


FOUR = ("vocals", "drums", "bass", "other", "mixture")


def test_the_accompaniment_is_what_the_others_leave():
    both = {"vocals", "accompaniment"}
    assert sets_of(FOUR, "vocals", "accompaniment") == ([both], {"drums", "bass", "other"})
    assert sets_of(FOUR, "accompaniment") == ([both], {"drums", "bass", "other"})  # karaoke: nothing else was estimated
    assert sets_of(FOUR, "vocals") == ([set(FOUR[:4])], set())
    assert sets_of(FOUR, *FOUR[:4]) == ([set(FOUR[:4])], set())
    assert sets_of(FOUR, *FOUR[:4], "accompaniment") == ([set(FOUR[:4]), both], {"drums", "bass", "other"})  # as museval
    assert sets_of(FOUR, "vocals", "drums", "accompaniment")[1] == {"drums", "bass", "other"}
    ours = {"accompaniment", "drums", "bass"}  # of model.targets=[drums, bass]
    assert sets_of(FOUR, "drums", "bass", "accompaniment") == ([ours], {"vocals", "other"})


def test_a_given_accompaniment_is_no_source_beside_its_parts():
    given = ("vocals", "drums", "bass", "other", "accompaniment")
    assert sets_of(given, "vocals", "accompaniment") == ([{"vocals", "accompaniment"}], {"accompaniment"})
    assert sets_of(given, *FOUR[:4])[0] == [set(FOUR[:4])]
    assert sets_of(("vocals", "accompaniment"), "vocals") == ([{"vocals", "accompaniment"}], {"accompaniment"})
    assert sets_of(("accompaniment",), "accompaniment")[0] == [{"accompaniment"}]
    assert sets_of(("drums", "bass"), "accompaniment")[0] == [{"drums", "bass"}]


def test_what_an_accompaniment_is_compared_with_does_not_depend_on_who_sums(folders):
    references, estimates = folders
    expected = score_folders(references, estimates, SETTINGS, ONE)[1]
    for path in estimates.rglob("vocals.wav"):
        path.unlink()
    alone = score_folders(references, estimates, SETTINGS, ONE)[1]
    for name in ("Artist - One", "test/Artist - Two"):
        stems = {path.stem: soundfile.read(path, always_2d=True)[0] for path in (references / name).iterdir()}
        rest = sum(stems[stem] for stem in ("drums", "bass", "other"))
        write_song(references / name, {"accompaniment": rest}, RATE, "flac")
    given = score_folders(references, estimates, SETTINGS, ONE)[1]
    expected = expected[expected["source"] == "accompaniment"].reset_index(drop=True)
    for found in (alone, given):
        np.testing.assert_allclose(found[list(MEASURES)], expected[list(MEASURES)], atol=0.01)


def test_links_are_followed_and_what_is_hidden_is_not(folders, tmp_path):
    references, estimates = folders
    (estimates / "Artist - One" / ".checkpoints").mkdir()
    (estimates / "Artist - One" / ".checkpoints" / "vocals.wav").write_bytes(b"x")
    (tmp_path / "links").mkdir()
    for name in ("Artist - One", "test"):
        (tmp_path / "links" / name).symlink_to(estimates / name)
    frames, _, remarks = score_folders(references, tmp_path / "links", SETTINGS, ONE)
    assert frames["track"].nunique() == 2 and not [remark for remark in remarks if "left out" in remark]
    (estimates / "Artist - One" / "song.stem.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"song.stem.mp4 holds all stems in one file"):
        score_folders(references, estimates, SETTINGS, ONE)


def test_empty_files_and_files_that_end_too_soon_are_named(folders, monkeypatch):
    references, estimates = folders
    read = audio.read
    monkeypatch.setattr(audio, "read", lambda path: read(path)[: -9 if path.name == "vocals.wav" else None])
    with pytest.raises(UserError, match=r"the files of Artist - One have 27991 or 28000 samples"):
        score_folders(references, estimates, SETTINGS, ONE)
    monkeypatch.setattr(audio, "read", lambda path: read(path)[: -9 if path.name == "bass.flac" else None])
    with pytest.raises(UserError, match=r"Artist - One has files that end before their headers say"):
        score_folders(references, estimates, SETTINGS, ONE)
    for path in [*references.rglob("*.flac"), *estimates.rglob("*.wav")]:
        soundfile.write(path, np.zeros((0, 1)), RATE)
    with pytest.raises(UserError, match="is empty; remove it"):
        score_folders(references, estimates, SETTINGS, ONE)


def test_one_folder_may_be_one_track(folders):
    references, estimates = (folder / "Artist - One" for folder in folders)
    frames, _, _ = score_folders(references, estimates, SETTINGS, ONE)
    assert set(frames["track"]) == {"."}
