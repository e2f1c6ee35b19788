"""A page keeps to its size, by making the longest of what can be shorter so."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from skhlm.html_report import write
from skhlm.html_report.room import Flexible, fitted, largest, size_of
from skhlm.html_report.table import table
from tests.html_report.test_table import unpacked

pytest.importorskip("matplotlib.pyplot")


def letters(n):
    """A part of n letters, which can be any number of them."""
    return Flexible("x" * n, lambda most: "y" * min(n, most))


def test_all_stays_where_there_is_room():
    parts = ["fixed", letters(10), letters(20)]
    assert fitted(parts, 35) == parts


def test_the_longest_are_shorter_and_as_long_as_each_other():
    fixed, short, *long = fitted(["fixed", letters(10), letters(500), letters(900)], 300)
    assert (fixed, short) == ("fixed", "x" * 10)
    assert [len(part) for part in long] == [142, 142]  # (300 - 5 - 10) / 2


def test_where_nothing_can_be_shorter_the_end_is_left_out():
    first, end = fitted(["a" * 100, "b" * 200, "c" * 100], 300)
    assert first == "a" * 100 and "no room for what follows" in end


def test_bytes_are_counted_and_not_letters():
    assert size_of("東京") == 6
    assert size_of("half \udc80") == 5 + len("\\udc80")
    assert 24 <= size_of(largest(30, 100, lambda n: "東" * n)) <= 30


@pytest.mark.parametrize("most", [10, 999, 12345])
def test_the_largest_number_is_nearly_the_largest_there_is(most):
    found = largest(most, 100_000, lambda n: "head" + "x" * n)
    assert 0.9 * most < len(found) <= most


def test_a_table_keeps_its_most_important_rows():
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=2000) for name in "abcde"}
    frame = pd.DataFrame({"level": [f"level {i}" for i in range(2000)], **numbers})
    first = rng.permutation(2000)
    text = table(frame, "T", "said.", first=first, elsewhere="model.all()")
    found = text.shorter(int(0.6 * size_of(text)))
    assert size_of(found) <= 0.6 * size_of(text)
    names = unpacked(re.search(r'class="rows">([^<]*)<', found).group(1))[0]
    n = len(names)
    assert 500 < n < 1500
    assert names == [f"level {i}" for i in np.sort(first[:n])]
    assert f"There is no room for more than {n:,} of 2,000 rows. model.all() has all of" in found


def names_of(n, length):
    """Names that differ and cannot be compressed, in letters of three bytes."""
    letters = np.random.default_rng(n).integers(0x4E00, 0x9000, (n, length))
    return ["".join(map(chr, row)) for row in letters.tolist()]


@pytest.fixture(scope="module")
def large(mode):
    """Hundreds of levels and predictors with names of hundreds of bytes."""
    rng = np.random.default_rng(0)
    n, J, p = 1600, 800, 20
    X = pd.DataFrame(rng.normal(size=(n, p)), columns=names_of(p, 200))
    X["shop"] = np.array(names_of(J, 400))[np.arange(n) % J]
    X["region"] = np.array(names_of(50, 300))[np.arange(n) % 50]
    y = X.iloc[:, 0] + rng.normal(size=n)
    varying = {"shop": [X.columns[0], "Intercept"], "region": "intercept"}
    return mode(X, y, ["shop", "region"], varying=varying, family="normal")


def test_no_model_makes_a_larger_file(large, tmp_path):
    path = tmp_path / "report.html"
    large.report(path, features=names_of(20, 200)[:2])
    assert 1_000_000 < path.stat().st_size <= 3_000_000
    text = path.read_text("utf-8")
    assert "There is no room for more than" in text
    for title in ("Parameters", "Effects of shop", "Shrinkage of region", "Response curves"):
        assert title in text
    for name in ("tau", "sigma"):
        assert f"<td>{name}</td>" in text


@pytest.mark.parametrize("most", [200_000, 1_000_000])
def test_the_size_holds_whatever_it_is(large, tmp_path, monkeypatch, most):
    monkeypatch.setattr(write, "LARGEST", most)
    path = tmp_path / "report.html"
    large.report(path, features=names_of(20, 200)[:1])
    assert path.stat().st_size <= most
    assert path.read_text("utf-8").endswith("</html>\n")
