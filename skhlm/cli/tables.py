"""Tables as files: CSV and Parquet in, CSV and Parquet out, ``-`` for the standard streams."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from skhlm.inputs.columns import listed, suggestion
from skhlm.outputs import is_stream, replacing

STANDARD = "-"
_PARQUET = (".parquet", ".pq")
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_OTHER_SEPARATORS = {";": "';'", "\t": "tab", "|": "'|'"}  # as one writes them in a shell
_NAMELESS = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")  # as pandas names an index


def read_table(
    path: str, separator: str, decimal: str, text: Callable[[pd.DataFrame], Iterable[str]]
) -> pd.DataFrame:
    """The table in a CSV or Parquet file, or CSV from the standard input.

    Parameters
    ----------
    path : str
    separator, decimal : str
        What is between the columns of CSV, and what before the decimals.
    text : callable
        From the table as pandas reads it, names of columns that are text in CSV: there each field
        is what it says, "NA" and "007" too, and an empty one is missing. Parquet has types.

    Raises
    ------
    ValueError
        When the file is no such table, or has no rows.
    """
    if is_parquet(path):
        with _reading(path):
            table = pd.read_parquet(path)
        text(table)
    else:
        table = _read_csv(path, separator, decimal, text)
    if table.empty:
        raise ValueError(f"{path} has no rows.")
    return table


def is_parquet(path: str) -> bool:
    """Whether a table of this name is Parquet, which has types."""
    return path != STANDARD and Path(path).suffix.lower() in _PARQUET


def without_index(table: pd.DataFrame, named: Collection[str], path: str) -> pd.DataFrame:
    """A table without columns that have no name, such as the index that pandas and R write.

    ``named`` are those that somebody asks for. Says what is left out on the standard error.
    """
    nameless = [c for c in names_of(table) if _NAMELESS.fullmatch(c) and c not in named]
    for name in nameless:
        _tell_left_out(f"column {table.columns.get_loc(name)}, {name!r} to pandas,", path)
    return table.drop(columns=nameless)


def check_output(path: str, inputs: Iterable[str]) -> None:
    """Raise where a file cannot be written to this path, or would take the place of an input."""
    if path == STANDARD or is_stream(Path(path)):
        return
    place = Path(path).resolve()
    folder = place.parent
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: there is no directory {str(folder)!r}.")
    if place.is_dir():
        raise ValueError(f"{path} cannot be written: it is a directory.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{path} cannot be written: {str(folder)!r} is read-only.")
    if place.exists() and not os.access(place, os.W_OK):
        raise ValueError(f"{path} cannot be written: it is read-only.")
    if lost := [given for given in inputs if _is_same_file(path, given)]:
        raise ValueError(
            f"{path} cannot be written: it is the same file as {lost[0]}, which is read and would "
            "be lost. Name another file."
        )


def write_table(table: pd.DataFrame, path: str) -> None:
    """Write CSV, or Parquet where the name says so; CSV to the standard output for ``-``."""
    if path == STANDARD:
        sys.stdout.write(table.to_csv(index=False))
        return
    with replacing(path) as file:
        if is_parquet(path):
            table.to_parquet(file, index=False)
        else:
            packed: Any = _COMPRESSED.get(Path(path).suffix.lower())
            table.to_csv(file, mode="wb", index=False, compression=packed)


def column(table: pd.DataFrame, name: str, option: str) -> pd.Series[float]:
    """One column, asked for by an option."""
    check_name(name, names_of(table), option)
    found: pd.Series[float] = table[name]
    return found


def names_of(table: pd.DataFrame) -> list[str]:
    """Names of its columns."""
    return list(map(str, table))


def check_name(name: str, names: Collection[str], option: str) -> None:
    """Raise unless a column that an option asks for is there."""
    if name not in names:
        raise ValueError(
            f"{option}: there is no column {name!r}. The columns are {listed(names)}."
            f"{suggestion(name, names)}"
        )


def _read_csv(
    path: str, separator: str, decimal: str, text: Callable[[pd.DataFrame], Iterable[str]]
) -> pd.DataFrame:
    """The table in a CSV file, read twice: pandas takes "NA" for nothing in all columns or none."""
    with _reading(path, f" Are its columns separated by {separator!r}? Else say --sep."):
        source = _source(path)
        read: Any = partial(pd.read_csv, sep=separator, decimal=decimal, low_memory=False)
        table: pd.DataFrame = read(source())  # not low on memory: a column is of one type
        fields = read(source(), dtype=str, keep_default_na=False, na_values=[""])
    _check_separated(names_of(table), path)
    if not isinstance(fields.index, pd.RangeIndex):  # a column beyond those with names
        _check_in_place(fields, path)
        _tell_left_out("the first column", path)
    words = {name: fields[name].to_numpy() for name in text(table)}
    return table.reset_index(drop=True).assign(**words)


def _source(path: str) -> Callable[[], Any]:
    """What pandas reads, from its beginning each time; from a pipe all is read at once."""
    if path == STANDARD:
        return partial(StringIO, sys.stdin.read())
    if Path(path).exists() and not Path(path).is_file():
        return partial(BytesIO, Path(path).read_bytes())
    return lambda: path


@contextmanager
def _reading(path: str, remedy: str = "") -> Iterator[None]:
    """Where pandas' and Arrow's parsers fail, say of which file, and what to do."""
    try:
        yield
    except (ValueError, UnicodeError) as error:
        raise ValueError(
            f"{path} cannot be read as a table: {_first_line(error)}.{remedy}"
        ) from error


def _is_same_file(output: str, given: str) -> bool:
    """Whether two paths lead to one file, by whatever links and spellings."""
    try:
        read = os.fstat(0) if given == STANDARD else Path(given).stat()
        return os.path.samestat(Path(output).stat(), read)
    except (OSError, ValueError):  # there is none
        return False


def _check_separated(names: list[str], path: str) -> None:
    """Raise where a single column holds what separates the columns of other tables."""
    if len(names) != 1:
        return
    for mark, word in _OTHER_SEPARATORS.items():
        if mark in names[0]:
            raise ValueError(f"{path} has a single column, {names[0]!r}: try --sep {word}.")


def _check_in_place(fields: pd.DataFrame, path: str) -> None:
    """Raise where rows end in a separator, for which pandas shifts their fields by a column."""
    if fields.iloc[:, -1].isna().all():
        raise ValueError(
            f"{path}: its rows have more fields than its first line has names. Do they end in a "
            "separator? Remove it, or end the first line in one too."
        )


def _tell_left_out(what: str, path: str) -> None:
    """A note on the standard error."""
    print(f"skhlm: note: {what} of {path} has no name and is left out.", file=sys.stderr)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
