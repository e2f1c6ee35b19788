"""A frame as a table that a reader can sort and search; a long one is complete, but packed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from skhlm._typing import Ints
from skhlm.html_report.page import packed
from skhlm.html_report.room import Flexible, largest

MOST_ROWS = 20_000  # of one table
_WRITTEN = 250  # rows of which all are in the page as HTML
_BEGINNING = 100  # rows of a longer one that are, for who reads without a script
_OPEN = 14  # rows of a table that is not folded
_MANY = 10  # columns, which have smaller letters on paper
_LONG = 40  # characters of a cell that may take several lines
_LONGEST = 500  # characters of a cell
_WHOLE = ("ess_bulk", "ess_tail")  # columns without decimals
_VERDICTS = ("pass", "note", "warn", "fail")


def table(
    frame: pd.DataFrame,
    title: str,
    said: str = "",
    *,
    folded: bool | None = None,
    first: Sequence[int] | Ints | None = None,
    elsewhere: str = "",
) -> str:
    """All rows of a frame under a title; numbers with four significant digits.

    Parameters
    ----------
    frame : DataFrame
    title : str
    said : str, default=""
        What is to be known of it, such as what is left out.
    folded : bool or None, default=None
        Whether it is closed at first; None where it is long.
    first : ints, default=None
        Positions of rows, those first that are to stay where there is no room for all; None is
        their order.
    elsewhere : str, default=""
        What has all of them then, such as a method.

    Returns
    -------
    Flexible
        With fewer rows where it has to be shorter.
    """
    if not len(frame):
        return ""
    whole = _Table(frame, title, said, folded)

    def of_rows(n: int) -> str:
        if n == len(frame):
            return whole.html()
        chosen = np.arange(n) if first is None else np.sort(np.asarray(first)[:n])
        left_out = f"There is no room for more than {n:,} of {len(frame):,} rows."
        has_all = f" {elsewhere} has all of them." if elsewhere else ""
        return whole.html(chosen, f"{left_out}{has_all}")

    return Flexible(of_rows(len(frame)), lambda most: largest(most, len(frame), of_rows))


class _Table:
    """The texts of a frame, of which some rows or all become HTML."""

    def __init__(self, frame: pd.DataFrame, title: str, said: str, folded: bool | None) -> None:
        frame = frame.round({name: 0 for name in _WHOLE if name in frame})
        self.title, self.said = _short(title), said
        self.is_open = len(frame) <= _OPEN if folded is None else not folded
        self.names = [_short(str(name)) for name in frame]
        self.is_number = [is_numeric_dtype(frame[name]) for name in frame]
        self.columns = [[_text(value) for value in frame[name]] for name in frame]

    def html(self, chosen: Ints | None = None, left_out: str = "") -> str:
        """All rows, or those chosen."""
        columns = self.columns
        if chosen is not None:
            columns = [[column[i] for i in chosen] for column in columns]
        n = len(columns[0])
        head = "".join(
            f"<th{_NUMBER * number}>{escape(name)}</th>"
            for name, number in zip(self.names, self.is_number, strict=True)
        )
        whole = n <= _WRITTEN
        first = _rows([c[: None if whole else _BEGINNING] for c in columns], self.is_number)
        kind = "table many" if len(columns) > _MANY else "table"
        told = " ".join(filter(None, [self.said, left_out]))
        return (
            f'<details class="{kind}"{" open" * self.is_open}><summary>{escape(self.title)} <small>'
            f"({n:,} row{'s' * (n != 1)})</small></summary>"
            f"{f'<p>{escape(told)}</p>' if told else ''}"
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{first}</tbody></table>'
            f"</div>{'' if whole else _rest(columns)}</details>"
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
    return _short("/".join(map(str, value)) if isinstance(value, tuple) else str(value))


def _short(text: str) -> str:
    """A text that fits into a cell."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}\u2026"
