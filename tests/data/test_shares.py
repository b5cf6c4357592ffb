from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from unsung.data.shards import Row
from unsung.data.shares import Urn, chances_of, check_shares
from unsung.errors import UserError

COUNTS = {"demo/A": 10, "demo/B": 30, "pools/voices/a": 5, "pools/voices/b": 5, "pools/bands/c": 50}


def by_folder(chances, depth=1):
    sums = Counter()
    for name, chance in chances.items():
        sums["/".join(name.split("/")[:depth])] += chance
    return {name: pytest.approx(value) for name, value in sums.items()}


def test_without_shares_all_rows_are_alike():
    assert chances_of(COUNTS, {}) == {name: pytest.approx(count / 100) for name, count in COUNTS.items()}


def test_a_share_does_not_depend_on_hours_and_others_beside_it_have_one():
    found = chances_of(COUNTS, {"demo": 3.0})
    assert by_folder(found) == {"demo": 0.75, "pools": 0.25}
    assert found["demo/B"] == pytest.approx(3 * found["demo/A"])  # by hours, because no song has a share
    assert found["pools/bands/c"] == pytest.approx(5 * (found["pools/voices/a"] + found["pools/voices/b"]))


def test_shares_go_from_folder_to_folder():
    found = chances_of(COUNTS, {"demo": 1.0, "pools": 3.0, "pools/voices": 2.0, "demo/A": 0.0})
    assert by_folder(found, 2) == {"demo/A": 0, "demo/B": 0.25, "pools/voices": 0.5, "pools/bands": 0.25}


def test_a_folder_that_is_not_drawn_from_leaves_its_share_to_others():
    """Of a stem that only some folders have: their shares stay in proportion."""
    some = {name: count for name, count in COUNTS.items() if not name.startswith("demo")}
    assert by_folder(chances_of(some, {"demo": 9.0, "pools/voices": 2.0}), 2) == {"pools/voices": 2 / 3, "pools/bands": 1 / 3}


def rows():
    return [Row(Path("x"), i, 0, name, {}) for i, name in enumerate(name for name, n in COUNTS.items() for _ in range(n))]


@pytest.mark.parametrize("shares", [{}, {"demo": 1.0, "pools": 2.0}, {"pools": 0.0}])
def test_draws_follow_the_chances(shares):
    urn, rng = Urn(rows(), shares), np.random.default_rng(0)
    drawn = Counter(urn.draw(rng).track for _ in range(4000))
    for name, chance in chances_of(COUNTS, shares).items():
        assert drawn[name] / 4000 == pytest.approx(chance, abs=0.03) and (drawn[name] > 0) == (chance > 0)


def test_rows_that_are_alike_are_drawn_as_they_always_were():
    urn, rng = Urn(rows()), np.random.default_rng(1)
    expected = np.random.default_rng(1).integers(len(rows()), size=50)
    assert [urn.draw(rng).group for _ in range(50)] == expected.tolist()


def test_an_urn_without_a_chance_is_empty():
    assert Urn([]).empty and Urn([], {}).empty and Urn(rows(), {"demo": 0.0, "pools": 0.0}).empty and not Urn(rows()).empty


def test_a_share_of_nothing_is_one_line():
    check_shares({"demo": 1.0, "pools/voices": 1.0, "demo/A": 2.0}, COUNTS)
    with pytest.raises(UserError, match=r"data.shares has pools/vocals, and no train track .* \(demo, pools/bands, pools/voices\)"):
        check_shares({"pools/vocals": 1.0}, COUNTS)
    with pytest.raises(UserError, match="tracks without folders only"):
        check_shares({"x": 1.0}, {"A": 1})
