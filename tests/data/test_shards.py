import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.conftest import ROOT, changed
from unsung import audio
from unsung.data.shards import MANIFEST, Settings, Shards, write_shards
from unsung.data.tracks import Track, read_index
from unsung.errors import UserError
from unsung.files import sha256


@pytest.fixture
def settings(params):
    return Settings.of(params)


def test_rows_are_pieces_of_the_songs_own_samples(shards_folder, stems_folder, settings):
    shards = Shards(shards_folder, "train", settings)
    track = read_index(stems_folder / "train")[0]
    wave = audio.read(track.stems["vocals"]).T
    wave = np.pad(wave, ((0, 0), (0, -wave.shape[1] % settings.samples)))
    assert len(shards.rows) == wave.shape[1] // settings.samples > 2
    for number, row in enumerate(shards.rows):
        start = number * settings.samples
        found = shards.stem(row, "vocals", 0, settings.samples)
        assert row.start == start and found.dtype == np.float32
        np.testing.assert_array_equal(found, wave[:, start : start + settings.samples])  # 16 bits are 16 bits


def test_a_piece_of_a_row_is_that_piece(shards_folder, settings):
    shards = Shards(shards_folder, "valid", settings)
    whole = shards.stem(shards.rows[1], "other", 0, settings.samples)
    np.testing.assert_array_equal(shards.stem(shards.rows[1], "other", 7, 20), whole[:, 7:27])


def test_channels_stay_apart_and_full_scale_is_kept(tmp_path, settings, params):
    left, right = np.array([-1.0, 1.0, 0.25, 0.0]), np.array([0.5, -0.5, 0.0, 2.0**-15])
    soundfile.write(tmp_path / "v.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    stereo = replace(settings, channels=2, samples=8)
    write_shards(tmp_path / "s", [Track("A", "train", {"vocals": tmp_path / "v.wav"})], stereo, 1.0, params.compute)
    shards = Shards(tmp_path / "s", "train", stereo)
    expected = np.stack([[-1.0, 1 - 2.0**-15, 0.25, 0.0], right])  # 16 bits have no 1.0
    np.testing.assert_array_equal(shards.stem(shards.rows[0], "vocals", 0, 4), expected)
    assert shards.rows[0].peaks == {"vocals": 1.0} and not shards.stem(shards.rows[0], "vocals", 4, 4).any()


def test_shards_are_of_a_set_size_and_the_same_bytes_again(tmp_path, stems_folder, settings, shards_folder, params):
    tracks = read_index(stems_folder / "train") + read_index(stems_folder / "valid")
    write_shards(tmp_path, tracks, settings, params.shards.megabytes, changed(params, compute__workers=2).compute)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in shards_folder.iterdir())
    assert all(sha256(tmp_path / name) == sha256(shards_folder / name) for name in names)
    sizes = [(tmp_path / name).stat().st_size for name in names if name != MANIFEST]
    assert len(sizes) > 2 and max(sizes) < 0.13e6


def test_the_file_can_be_understood_without_us(shards_folder):
    entry = json.loads((shards_folder / MANIFEST).read_text())[0]
    file = pq.ParquetFile(shards_folder / entry["file"])
    assert file.metadata.num_row_groups == entry["rows"]
    assert json.loads(file.schema_arrow.metadata[b"unsung"])["track"] == "Song 0"
    table = file.read_row_group(0)  # one column for a channel of a stem: the samples
    assert table.num_rows == 8000 and table.column_names == [f"{stem}.0" for stem in ("drums", "bass", "other", "vocals")]
    assert entry["sha256"] == sha256(shards_folder / entry["file"])


@pytest.mark.parametrize(("key", "value"), [("channels", 2), ("sample_rate", 16_000), ("samples", 99)])
def test_shards_of_other_settings_are_refused(shards_folder, settings, key, value):
    with pytest.raises(UserError, match=f"was made with {key} .*, the params say {value}"):
        Shards(shards_folder, "train", replace(settings, **{key: value}))


def test_what_is_half_written_is_not_taken_for_whole(shards_folder, settings, tmp_path):
    import shutil

    folder = tmp_path / "shards"
    shutil.copytree(shards_folder, folder)
    first = next(folder.glob("*.parquet"))
    first.write_bytes(first.read_bytes()[:1000])
    with pytest.raises(UserError, match="is not a shard"):
        Shards(folder, "train", settings)
    (folder / MANIFEST).unlink()
    with pytest.raises(UserError, match="has no whole shards"):
        Shards(folder, "train", settings)


def test_a_split_that_is_not_there_is_refused(shards_folder, settings):
    with pytest.raises(UserError, match="no segment of a test track"):
        Shards(shards_folder, "test", settings)


def test_a_valid_track_that_lacks_a_stem_is_refused(tmp_path, stems_folder, settings, params):
    first, second = read_index(stems_folder / "train")[0], read_index(stems_folder / "valid")[0]
    less = replace(second, stems={name: path for name, path in second.stems.items() if name != "bass"})
    with pytest.raises(UserError, match='"Song 1" has no bass, which other tracks have; only tracks to train on may lack one'):
        write_shards(tmp_path, [first, less], settings, 1.0, params.compute)


def test_a_stem_that_a_track_lacks_is_not_in_its_shards(tmp_path, stems_folder, settings, params):
    """The other stems are the same, and a track that has all of them has the same shards."""
    full = read_index(stems_folder / "train")[0]
    for name, stems in {"both": ("vocals", "other"), "lacking": ("vocals",)}.items():
        tracks = [replace(full, name=one, stems={stem: full.stems[stem] for stem in some}) for one, some in (
            ("A", ("vocals", "other")), ("B", stems))]  # fmt: skip
        write_shards(tmp_path / name, tracks, settings, 1.0, params.compute)
    both, lacking = (Shards(tmp_path / name, "train", settings) for name in ("both", "lacking"))
    assert both.stems == lacking.stems == ("vocals", "other") and len(both.rows) == len(both.whole) == len(lacking.rows)
    assert {row.track for row in lacking.whole} == {"A"}
    for one, other in zip(both.rows, lacking.rows, strict=True):
        np.testing.assert_array_equal(*(shards.stem(row, "vocals", 0, 9) for shards, row in ((both, one), (lacking, other))))
        assert other.sounds("other") == (other.track == "A")
    files = [sorted((tmp_path / name).glob("*.parquet")) for name in ("both", "lacking")]
    assert sha256(files[0][0]) == sha256(files[1][0])
    assert pq.read_schema(files[1][-1]).names == ["vocals.0"]


def test_a_row_knows_what_sounds_in_it(tmp_path, stems_folder, settings, params):
    track, rate = read_index(stems_folder / "train")[0], 8000
    t = np.arange(4 * rate) / rate
    for decibels, sounds in ((-20, True), (-55, True), (-65, False), (-np.inf, False)):
        path = tmp_path / f"{decibels}.flac"
        soundfile.write(path, 10 ** (decibels / 20) * np.sin(2 * np.pi * 500 * t), rate, subtype="PCM_24")
        write_shards(tmp_path / "s", [replace(track, stems={**track.stems, "vocals": path})], settings, 1.0, params.compute)
        rows = Shards(tmp_path / "s", "train", settings).rows
        assert {row.sounds("vocals") for row in rows} == {sounds} and not rows[0].sounds("kazoo")
        if sounds:
            assert 20 * np.log10(rows[1].peaks["vocals"]) == pytest.approx(decibels, abs=1)


def test_stems_may_have_any_name(tmp_path, stems_folder, settings, params):
    track = read_index(stems_folder / "train")[0]
    names = {"track": "bass", "a.0": "drums", "a": "other", "lead \u00e9": "vocals"}
    write_shards(
        tmp_path, [replace(track, stems={new: track.stems[old] for new, old in names.items()})], settings, 1.0, params.compute
    )
    shards = Shards(tmp_path, "train", settings)
    for new, old in names.items():
        truth = audio.read(track.stems[old])[: settings.samples].T
        np.testing.assert_array_equal(shards.stem(shards.rows[0], new, 0, settings.samples), truth)
        assert shards.rows[0].peaks[new] == np.abs(truth).max()


MEMORY = """
import sys
from pathlib import Path
import numpy as np, soundfile
from unsung.data.shards import Settings, write_shards
from unsung.data.stems import prepare
from unsung.data.tracks import Recording
from unsung.config.schema import Audio, Compute
folder, seconds = Path(sys.argv[1]), int(sys.argv[2])
noise = (3000 * np.random.default_rng(0).standard_normal((16_000 * 60, 1))).astype(np.int16)
for stem in ("vocals", "rest"):
    with soundfile.SoundFile(str(folder / f"{stem}.wav"), "w", 16_000, 1) as file:
        for _ in range(seconds // 60):
            file.write(noise)
recording = Recording.of_files("Long", "train", {stem: folder / f"{stem}.wav" for stem in ("vocals", "rest")})
track, _ = prepare(recording, folder, Audio(sample_rate=22_050, channels=1))
compute = Compute(scheduler="", workers=1, loader_workers=0, tensorboard=False, wandb=False)
write_shards(folder / "shards", [track], Settings(22_050, 1, 88_200), 64.0, compute)
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc/self/status is not here")
def test_a_long_track_needs_no_more_memory_than_a_short_one(tmp_path):
    def peak(seconds: int) -> float:
        """Megabytes, of a process that resamples and shards one track."""
        folder = tmp_path / str(seconds)
        folder.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-c", MEMORY, str(folder), str(seconds)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1]) / 1024

    short, long = peak(60), peak(600)
    assert long < 1000 and long - short < 40, (short, long)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"file": "x"}]', '{"a": 1}', "[[["])
def test_a_damaged_manifest_is_one_line(shards_folder, settings, tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(UserError, match="run dvc repro shard|has no segment"):
        Shards(tmp_path, "train", settings)


def test_a_shard_with_other_rows_than_listed_is_refused(shards_folder, settings, tmp_path):
    for path in shards_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    entries = json.loads((tmp_path / MANIFEST).read_text())
    entries[0]["rows"] += 1
    (tmp_path / MANIFEST).write_text(json.dumps(entries))
    with pytest.raises(UserError, match="segments, not .*; run dvc repro shard"):
        Shards(tmp_path, "train", settings)
