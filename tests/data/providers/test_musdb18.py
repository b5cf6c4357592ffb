"""MUSDB18 and its 7-second excerpts differ in what is fetched only."""

import hashlib

import pytest

from tests.conftest import changed, song
from tests.data.loopback import serving, zipped
from tests.data.stem_files import write_stem_file
from unsung.data.providers import musdb18, musdb18_7s, provide
from unsung.data.remote import Remote

NAMES = {"train": ("A Classic Education - NightOwl", "Actions - One Minute Smile"), "test": ("Al James - Schoolboy Facination",)}
SPLITS = {NAMES["train"][0]: "train", NAMES["train"][1]: "valid", NAMES["test"][0]: "test"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder, stems = tmp_path_factory.mktemp("musdb18"), song(0, 0.3, 44_100)
    for part, names in NAMES.items():
        for name in names:
            write_stem_file(folder / part / f"{name}.stem.mp4", {"mixture": sum(stems.values()), **stems})
    return folder


@pytest.mark.parametrize("module", [musdb18, musdb18_7s], ids=["musdb18", "musdb18_7s"])
def test_it_is_downloaded_and_extracted(root, params, tmp_path, monkeypatch, module):
    """A server on loopback with a zip of the real layout, which cuts the first connection."""
    name, content = module.__name__.split(".")[-1], zipped(root)
    algorithm = module.ARCHIVE.algorithm
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with serving(content) as (address, handler):
        handler.plan = [50_000]
        remote = Remote(f"{address}/{module.ARCHIVE.name}", f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")
        monkeypatch.setattr(module, "ARCHIVE", remote)
        _, tracks = provide(tmp_path / "raw", changed(params, data__provider=name))
    assert {track.name: track.split for track in tracks} == SPLITS
    assert all(list(track.stems) == ["mixture", "drums", "bass", "other", "vocals"] for track in tracks)


@pytest.mark.parametrize("name", ["musdb18", "musdb18_7s"])
def test_a_copy_is_used_where_it_is_and_a_limit_kept(root, params, tmp_path, name):
    with_copy = changed(params, data__provider=name, data__root=str(root))
    found, tracks = provide(tmp_path, with_copy)
    assert found == root and len(tracks) == 3
    two = changed(with_copy, **{f"providers__{name}__limit": 1}, data__provider=name, data__root=str(root))
    assert [track.split for track in provide(tmp_path, two)[1]] == ["train", "valid", "test"]
