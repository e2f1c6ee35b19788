"""Texts that differ by case, white space or Unicode form alone."""

from __future__ import annotations

import pytest

from skhlm.inputs.spelling import spelling, told_twins, twins


@pytest.mark.parametrize("text", ["Café ", "cafe\u0301", " CAFÉ", "café\n"])
def test_texts_that_are_spelt_alike(text):
    assert spelling(text) == "café"


def test_twins_come_with_the_first_and_what_is_no_text_has_none():
    assert [*twins(["a", "A", "b", "a ", 1, True])] == [("a", "A"), ("a", "a ")]
    told = told_twins(["No", "Yes", "yes"])
    assert told.startswith(" 'Yes' and 'yes' differ by case, white space or Unicode form alone:")
    assert told_twins([1, 2, "a b", "ab"]) == ""
