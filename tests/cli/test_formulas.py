"""CSV holds no formulas that somebody else wrote."""

from __future__ import annotations

import pandas as pd
import pytest

from skhlm.cli.formulas import escape_formulas
from tests.cli.running import one_line, run

DANGEROUS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "-",
    "+a",
]
HARMLESS = ["a=1", "-3", "+7", "-1.50", "1e-3", "-2,5", "3%", "", "'=1", " =1", "NA"]


def test_text_that_begins_as_a_formula_gets_a_quote():
    table = pd.DataFrame({"t": DANGEROUS + HARMLESS})
    escaped, n = escape_formulas(table)
    assert n == len(DANGEROUS)
    assert escaped["t"].tolist() == ["'" + text for text in DANGEROUS] + HARMLESS


def test_names_of_columns_are_cells_too():
    escaped, n = escape_formulas(pd.DataFrame({"=x": [1.5], "y": ["b"]}))
    assert (list(escaped), n) == (["'=x", "y"], 1)
    assert escaped["'=x"].tolist() == [1.5]


@pytest.mark.parametrize(
    "column",
    [
        [-1, 2],
        [-1.5, None],
        [True, False],
        pd.to_datetime(["2026-01-01", None]),
        pd.Categorical(["a", "b"]),
    ],
)
def test_what_is_no_formula_stays_as_it_is(column):
    table = pd.DataFrame({"t": column})
    escaped, n = escape_formulas(table)
    assert n == 0
    assert escaped is table


def test_missing_entries_and_categories_stay():
    table = pd.DataFrame({"t": pd.Categorical(["=a", None, "b", "=a"]), "n": [1, 2, 3, 4]})
    escaped, n = escape_formulas(table)
    assert n == 2
    assert escaped["t"].where(escaped["t"].notna(), "none").tolist() == ["'=a", "none", "b", "'=a"]
    assert escaped["n"].dtype == int


def test_predict_writes_none_unless_asked(folder, table, capsys):
    rows = table.iloc[:3].assign(note=["=HYPERLINK(1)", "fine", "-1"])
    rows.to_csv(folder / "formulas.csv", index=False)
    files = (folder / "m.skhlm", folder / "formulas.csv")
    assert run("predict", *files, "-o", folder / "f.csv") == 0
    assert "1 text with = + - or @ first has a ' before it" in one_line(capsys)
    written = pd.read_csv(folder / "f.csv", dtype=str)
    assert written["note"].tolist() == ["'=HYPERLINK(1)", "fine", "-1"]
    assert run("predict", *files, "--no-escape", "-o", folder / "f.csv") == 0
    assert capsys.readouterr().err == ""
    assert pd.read_csv(folder / "f.csv", dtype=str)["note"].tolist() == rows["note"].tolist()
    assert run("predict", *files, "-o", folder / "f.parquet") == 0
    assert pd.read_parquet(folder / "f.parquet")["note"].tolist() == rows["note"].tolist()
