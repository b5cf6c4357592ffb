import sys
import zipfile

import numpy as np
import pytest
import rehearsal
import soundfile

from tests.conftest import ROOT
from unsung.config.params import load_params
from unsung.data.fetch import Remote, download
from unsung.data.providers import musdb18hq
from unsung.data.providers.base import Limited
from unsung.files import sha256


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "musdb18hq.zip"
    rehearsal.write_archive(path, songs=6, seconds=1.0)
    return path


def test_the_stand_in_is_read_as_the_dataset(archive, tmp_path):
    zipfile.ZipFile(archive).extractall(tmp_path)
    found = list(musdb18hq.tracks(tmp_path, Limited(limit=0), ("vocals",)))
    assert [track.split for track in found].count("test") == 2 and [track.split for track in found].count("valid") == 1
    assert not any(track.fault for track in found)
    for track in found:
        stems = {stem: np.concatenate(list(sources[0].blocks(2))) for stem, sources in track.stems.items()}
        np.testing.assert_allclose(stems.pop("mixture"), sum(stems.values()), atol=3e-4)
    assert soundfile.info(next(tmp_path.rglob("vocals.wav"))).samplerate == 44_100


def test_lengths_are_those_of_the_dataset_on_average():
    found = rehearsal.lengths(150, 240.0)
    assert found.sum() / 3600 == pytest.approx(10, rel=0.02) and found.min() > 79 and found.max() < 481


def test_a_download_from_it_goes_on(archive, tmp_path):
    with rehearsal.serving(archive) as address:
        remote = Remote(address, f"sha256:{sha256(archive)}", archive.stat().st_size)
        (tmp_path / "musdb18hq.zip.partial").write_bytes(archive.read_bytes()[:1000])
        assert download(remote, tmp_path).read_bytes() == archive.read_bytes()


def test_what_a_command_takes_is_measured_and_it_can_be_killed(tmp_path):
    code = "import time, numpy; x = numpy.ones(2**26, numpy.uint8); time.sleep(0.5)"
    done = rehearsal.run([sys.executable, "-c", code], tmp_path)
    assert 0.07 < done.gigabytes < 1 and done.seconds > 0.5 and not done.killed
    assert rehearsal.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, kill_after=0.3).killed
    with pytest.raises(SystemExit, match="failed; see"):
        rehearsal.run([sys.executable, "-c", "1 / 0"], tmp_path)


def test_files_with_two_names_count_once(tmp_path):
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert rehearsal.disk(tmp_path) == pytest.approx(0.001, rel=0.01)


def test_what_is_changed_for_a_cpu_is_in_the_params(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    rehearsal.merge(tmp_path / "params.yaml", rehearsal.FOR_A_CPU)
    params = load_params(tmp_path / "params.yaml")
    assert params.train.steps == 40 and params.train.accelerator == "cpu" and params.networks.band_split.dim == 32
