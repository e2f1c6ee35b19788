"""Tables as files: CSV and Parquet in, CSV and Parquet out, ``-`` for the standard streams."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

from skhlm.inputs.columns import listed, suggestion

STANDARD = "-"
_PARQUET = (".parquet", ".pq")
_OTHER_SEPARATORS = {";": "';'", "\t": "tab", "|": "'|'"}  # as one writes them in a shell


def read_table(path: str, separator: str = ",", decimal: str = ".") -> pd.DataFrame:
    """The table in a CSV or Parquet file, or CSV from the standard input.

    Parameters
    ----------
    path : str
    separator, decimal : str
        What is between the columns of CSV, and what before the decimals.

    Raises
    ------
    ValueError
        When the file is no such table, or has no rows.
    """
    parquet = path != STANDARD and Path(path).suffix.lower() in _PARQUET
    try:
        if parquet:
            table = pd.read_parquet(path)
        else:
            source = sys.stdin if path == STANDARD else path
            table = pd.read_csv(source, sep=separator, decimal=decimal)
    except (ValueError, UnicodeError) as error:  # pandas' and Arrow's parsers raise these
        remedy = "" if parquet else f" Are its columns separated by {separator!r}? Else say --sep."
        raise ValueError(
            f"{path} cannot be read as a table: {_first_line(error)}.{remedy}"
        ) from error
    _check_separated(table, path)
    if table.empty:
        raise ValueError(f"{path} has no rows.")
    return table


def check_place(path: str) -> None:
    """Raise unless there is a directory in which a file of this name can be written."""
    folder = Path(path).absolute().parent
    if path != STANDARD and not folder.is_dir():
        raise ValueError(f"{path} cannot be written: there is no directory {str(folder)!r}.")
    if path != STANDARD and Path(path).is_dir():
        raise ValueError(f"{path} cannot be written: it is a directory.")
    if path != STANDARD and not os.access(folder, os.W_OK):
        raise ValueError(f"{path} cannot be written: {str(folder)!r} is read-only.")


def write_table(table: pd.DataFrame, path: str) -> None:
    """Write CSV, or Parquet where the name says so; CSV to the standard output for ``-``."""
    if path == STANDARD:
        table.to_csv(sys.stdout, index=False)
    elif Path(path).suffix.lower() in _PARQUET:
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def column(table: pd.DataFrame, name: str, option: str) -> pd.Series[float]:
    """One column, asked for by an option."""
    if name not in table:
        raise ValueError(
            f"{option}: there is no column {name!r}. The columns are {listed(table.columns)}."
            f"{suggestion(name, table.columns)}"
        )
    found: pd.Series[float] = table[name]
    return found


def _check_separated(table: pd.DataFrame, path: str) -> None:
    """Raise where a single column holds what separates the columns of other tables."""
    if table.shape[1] != 1:
        return
    (name,) = map(str, table.columns)
    for mark, word in _OTHER_SEPARATORS.items():
        if mark in name:
            raise ValueError(f"{path} has a single column, {name!r}: try --sep {word}.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
