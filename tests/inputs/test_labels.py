from __future__ import annotations

from skhlm.inputs.labels import paths


def test_different_levels_have_different_names():
    levels = [("a/b", "c"), ("a", "b/c"), ("a", "d"), ("a", "d")]
    assert paths(levels) == ["('a/b', 'c')", "('a', 'b/c')", "a/d", "a/d"]
    assert paths([("EMEA", 2024), ("APAC", 2024)]) == ["EMEA/2024", "APAC/2024"]
