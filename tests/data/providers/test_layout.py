import pytest

from unsung.data.providers.layout import drawn_splits, grouped, limited, place
from unsung.data.tracks import Recording, Source
from unsung.errors import UserError


def test_folders_are_found_in_the_root_or_in_the_one_around_them(tmp_path):
    (tmp_path / "wrap" / "train").mkdir(parents=True)
    assert place(tmp_path, ("train",), "X") == tmp_path / "wrap"
    (tmp_path / "train").mkdir()
    assert place(tmp_path, ("train",), "X") == tmp_path
    with pytest.raises(UserError, match="has no folder test; set data.root to where X was extracted"):
        place(tmp_path, ("train", "test"), "X")


def test_another_name_moves_no_other_one():
    names = [f"song {number}" for number in range(300)]
    before, after = drawn_splits(names[:200], 0.1, 0.2, "here"), drawn_splits(names, 0.1, 0.2, "here")
    assert all(after[name] == split for name, split in before.items())
    shares = [list(after.values()).count(split) / 300 for split in ("train", "valid", "test")]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.06)


def test_other_is_never_lost(tmp_path):
    found = {stem: [Source(tmp_path / stem)] for stem in ("vocals", "piano", "other")}
    stems = grouped(found, ("vocals", "other"), ("vocals",), "x")
    assert sorted(source.path.name for source in stems["other"]) == ["other", "piano"]


@pytest.mark.parametrize("count", [3, 4, 5])
def test_no_split_is_empty(count):
    assert set(drawn_splits([str(number) for number in range(count)], 0.0, 0.0, "here").values()) == {"train", "valid", "test"}


def test_too_few_names_are_refused():
    with pytest.raises(UserError, match=r"here has 2 track\(s\)"):
        drawn_splits(["a", "b"], 0.1, 0.2, "here")


def test_every_source_is_in_one_group(tmp_path):
    found = {stem: [Source(tmp_path / stem)] for stem in ("vocals", "piano", "other", "drums")}
    stems = grouped(found, ("vocals", "guitar"), ("vocals",), "x")
    assert list(stems) == ["vocals", "guitar", "other"] and stems["guitar"] == ()
    assert sorted(source.path.name for sources in stems.values() for source in sources) == sorted(found)


def test_other_can_be_the_target():
    assert grouped({}, ("vocals",), ("other",), "x") == {"vocals": (), "other": ()}


def test_no_limit_takes_all():
    found = [Recording(str(number), "train", {}) for number in range(5)]
    assert len(list(limited(found, 0))) == 5 and len(list(limited(found, 2))) == 2
