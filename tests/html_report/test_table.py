"""Tables of the report: numbers as they are read, and long ones whole all the same."""

from __future__ import annotations

import base64
import json
import re
import zlib

import numpy as np
import pandas as pd
import pytest

from skhlm.html_report.page import packed
from skhlm.html_report.table import table


def unpacked(text):
    """What `data.js` reads."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.23456, "1.235"),
        (-0.000123456, "-0.0001235"),
        (123456.7, "123457"),
        (2.5e12, "2.5e+12"),
        (np.nan, ""),
        (np.inf, "inf"),
    ],
)
def test_numbers_have_four_digits(value, shown):
    text = table(pd.DataFrame({"mean": [value]}), "T")
    assert f'<td class="number">{shown}</td>' in text


def test_effective_draws_are_whole():
    assert ">412<" in table(pd.DataFrame({"ess_bulk": [411.7]}), "T")


def test_levels_are_paths_and_no_html():
    text = table(pd.DataFrame({"level": [("EMEA", "<b>")]}), "A & B")
    assert "<td>EMEA/&lt;b&gt;</td>" in text
    assert "A &amp; B" in text


def test_short_tables_are_open_and_long_ones_folded():
    short, long = (table(pd.DataFrame({"x": range(n)}), "T") for n in (3, 100))
    assert '<details class="table" open>' in short
    assert '<details class="table">' in long
    assert "(100 rows)" in long
    assert table(pd.DataFrame({"x": []}), "T") == ""


def test_a_long_table_is_whole():
    frame = pd.DataFrame({"level": [f"shop {i}" for i in range(3000)], "mean": np.arange(3000) / 7})
    text = table(frame, "T")
    assert text.count("<tr>") == 1 + 100
    names, numbers = unpacked(re.search(r'class="rows">([^<]*)<', text).group(1))
    assert names == frame["level"].tolist()
    np.testing.assert_allclose(np.array(numbers, dtype=float), frame["mean"], rtol=5e-4)
    assert "The first 100 rows" in text


def test_packed_content_is_what_it_was():
    content = {"names": ["東京", "</script>", "half \udc80"], "numbers": [1, 2.5, None]}
    assert unpacked(packed(content)) == content
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed(content))


def test_twenty_thousand_rows_are_small():
    rng = np.random.default_rng(0)
    numbers = {name: rng.normal(size=20_000) for name in "abcdefghi"}
    text = table(pd.DataFrame({"level": [f"c{i}" for i in range(20_000)], **numbers}), "T")
    assert len(text) < 900_000
