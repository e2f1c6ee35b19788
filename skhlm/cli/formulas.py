"""Text that a spreadsheet would take for a formula, made text again.

A cell of CSV that begins with = + - or @ is a formula to Excel, LibreOffice and others, and may
call programs or send what other cells hold elsewhere; tabs and line ends before it, and the wide
forms of the characters, do not help (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?%?")  # a formula of no harm
_TEXT = "'"  # what spreadsheets take for the beginning of text


def escape_formulas(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The table with ' before cells and names that look like formulas, and how many there were.

    Numbers are none, those that are text neither: "-3" and "+7" stay what they are.
    """
    names = [_escaped(name) for name in table.columns]
    columns = [_escape_column(table.iloc[:, place]) for place in range(table.shape[1])]
    n_names = sum(new != old for new, old in zip(names, table.columns, strict=True))
    n_escaped = n_names + sum(n for _, n in columns)
    if not n_escaped:
        return table, 0
    told = pd.concat([column for column, _ in columns], axis=1).set_axis(names, axis=1)
    return told, n_escaped


def _escape_column(column: pd.Series[Any]) -> tuple[pd.Series[Any], int]:
    """The same of a column; each distinct value is looked at once."""
    if any(has(column) for has in (is_numeric_dtype, is_bool_dtype, is_datetime64_any_dtype)):
        return column, 0
    formulas = {value: _escaped(value) for value in column.unique() if _is_formula(value)}
    if not formulas:
        return column, 0
    escaped: pd.Series[Any] = column.astype(object).map(lambda value: formulas.get(value, value))
    return escaped, int(column.isin(list(formulas)).sum())


def _escaped(value: Any) -> Any:
    return _TEXT + value if _is_formula(value) else value


def _is_formula(value: Any) -> bool:
    """Whether it is text that is no number, and begins as a formula does."""
    if not isinstance(value, str) or not _FORMULA.match(value):
        return False
    return _NUMBER.fullmatch(value) is None
