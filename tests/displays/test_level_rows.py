from __future__ import annotations

import numpy as np
import pytest

from skhlm.displays.level_rows import (
    labelled_rows,
    level_names,
    ordered_from_bottom,
    parent_looks,
    parent_names,
)
from skhlm.displays.style import MAX_LOOKS, OTHER, look


def test_levels_are_called_by_their_own_value_where_that_is_enough():
    assert level_names([("EMEA", "France"), ("APAC", "Japan")]) == ["France", "Japan"]
    assert level_names([("PA", "LEE"), ("MN", "LEE")]) == ["PA/LEE", "MN/LEE"]
    assert parent_names([("world", "EMEA", "France")]) == ["world/EMEA"]
    assert parent_names([("France",)]) is None


@pytest.mark.parametrize("n", [1, 2, 5, 40, 41, 300, 10_000])
def test_labelled_rows_have_both_ends_and_fit(n):
    rows = labelled_rows(n, 40)
    assert rows[0] == n - 1
    assert rows[-1] == 0
    assert len(rows) <= 40
    assert len(set(np.diff(rows)[:-1])) <= 1


def test_looks_are_all_different():
    looks = [look(i) for i in range(MAX_LOOKS)]
    assert len({(one.color, one.marker) for one in looks}) == MAX_LOOKS
    assert len({(one.color, one.line) for one in looks}) == MAX_LOOKS


def test_the_largest_parents_have_looks_of_their_own():
    parents = [f"p{i:02}" for i in range(20) for _ in range(i + 1)]
    looks = parent_looks(parents, len(parents))
    names = [name for name, _, _ in looks]
    assert names == [*(f"p{i:02}" for i in range(9, 20)), "9 others"]
    assert looks[-1][1] is OTHER
    assert sorted(np.concatenate([members for _, _, members in looks])) == list(range(len(parents)))


def test_order_puts_what_is_not_known_first():
    assert ordered_from_bottom(np.array([2.0, np.nan, 1.0])).tolist() == [1, 2, 0]
