"""Tables as files: CSV and Parquet in, CSV and Parquet out, ``-`` for the standard streams."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

STANDARD = "-"
_PARQUET = (".parquet", ".pq")


def read_table(path: str) -> pd.DataFrame:
    """The table in a CSV or Parquet file, or CSV from the standard input.

    Raises
    ------
    ValueError
        When the file is no such table, or has no rows.
    """
    try:
        if path == STANDARD:
            table = pd.read_csv(sys.stdin)
        elif Path(path).suffix.lower() in _PARQUET:
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path)
    except (ValueError, UnicodeError) as error:  # pandas' and Arrow's parsers raise these
        raise ValueError(f"{path} cannot be read as a table: {_first_line(error)}") from error
    if table.empty:
        raise ValueError(f"{path} has no rows.")
    return table


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
            f"{option}: there is no column {name!r}. The columns are "
            f"{', '.join(map(repr, table.columns))}."
        )
    found: pd.Series[float] = table[name]
    return found


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
