"""Rows are named with their lines in the file."""

from __future__ import annotations

from argparse import Namespace

import pytest

from skhlm.cli.lines import with_lines


def told(path, row, sep=None):
    options = Namespace(data=str(path), sep=sep, encoding="utf-8")
    return with_lines(f"column 'x' is 7 in row {row}: no", options)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x,y\n1,2\n3,4\n5,6\n", 4),
        ("x,y\n1,2\n\n3,4\n5,6\n", 5),
        ('x,y\n1,"a\nb"\n3,4\n5,6\n', 5),
        ("x,y\r\n1,2\r\n3,4\r\n5,6\r\n", 4),
    ],
)
def test_of_csv(tmp_path, text, line):
    (tmp_path / "d.csv").write_bytes(text.encode())
    assert told(tmp_path / "d.csv", 2) == f"column 'x' is 7 in row 2 (line {line}): no"


def test_where_lines_cannot_be_told_rows_are(tmp_path):
    (tmp_path / "d.csv").write_text("x\n1\n")
    for path in (tmp_path / "d.csv", tmp_path / "none.csv", "-", "d.parquet", "d.csv.gz"):
        assert told(path, 2) == "column 'x' is 7 in row 2: no"
