"""A frame as a table that a reader can sort and search; a long one is complete, but packed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd
from pandas.api.types import is_numeric_dtype

from skhlm.html_report.page import packed

MOST_ROWS = 20_000  # of one table
_WRITTEN = 250  # rows of which all are in the page as HTML
_BEGINNING = 100  # rows of a longer one that are, for who reads without a script
_OPEN = 14  # rows of a table that is not folded
_MANY = 10  # columns, which have smaller letters on paper
_LONG = 40  # characters of a cell that may take several lines
_WHOLE = ("ess_bulk", "ess_tail")  # columns without decimals
_VERDICTS = ("pass", "note", "warn", "fail")


def table(frame: pd.DataFrame, title: str, said: str = "", *, folded: bool | None = None) -> str:
    """All rows of a frame under a title; numbers with four significant digits.

    Parameters
    ----------
    frame : DataFrame
    title : str
    said : str, default=""
        What is to be known of it, such as what is left out.
    folded : bool or None, default=None
        Whether it is closed at first; None where it is long.
    """
    if not len(frame):
        return ""
    frame = frame.round({name: 0 for name in _WHOLE if name in frame})
    is_number = [is_numeric_dtype(frame[name]) for name in frame]
    columns = [[_text(value) for value in frame[name]] for name in frame]
    head = "".join(
        f"<th{_NUMBER * number}>{escape(str(name))}</th>"
        for name, number in zip(frame, is_number, strict=True)
    )
    whole = len(frame) <= _WRITTEN
    first = _rows([column[: None if whole else _BEGINNING] for column in columns], is_number)
    is_open = len(frame) <= _OPEN if folded is None else not folded
    rows = f"{len(frame):,} row{'s' * (len(frame) > 1)}"
    rest = "" if whole else _rest(columns)
    kind = "table many" if len(columns) > _MANY else "table"
    return (
        f'<details class="{kind}"{" open" * is_open}><summary>{escape(title)} <small>({rows})'
        f"</small></summary>{f'<p>{escape(said)}</p>' if said else ''}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{first}</tbody></table>'
        f"</div>{rest}</details>"
    )


def _rest(columns: Sequence[Sequence[str]]) -> str:
    """All rows for the script, and what a reader without one is told."""
    data = packed([list(column) for column in columns])
    return (
        f"<noscript><p>The first {_BEGINNING} rows; the others need a browser that runs scripts."
        f'</p></noscript><script type="text/plain" class="rows">{data}</script>'
    )


def _rows(columns: Sequence[Sequence[str]], is_number: Sequence[bool]) -> str:
    """Rows of texts by column."""
    return "".join(
        f"<tr>{''.join(map(_cell, row, is_number))}</tr>" for row in zip(*columns, strict=True)
    )


_NUMBER = ' class="number"'


def _cell(text: str, is_number: bool) -> str:
    """One cell; verdicts have their colours."""
    if is_number:
        return f"<td{_NUMBER}>{text}</td>"
    kind = text if text in _VERDICTS else "long" if len(text) > _LONG else ""
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _text(value: object) -> str:
    """A value in words: four significant digits, large numbers whole, levels as paths."""
    if isinstance(value, float):
        if pd.isna(value):
            return ""
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
