"""Tables as files: CSV and Parquet in, CSV and Parquet out, ``-`` for the standard streams."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from skhlm.cli.console import is_terminal, note
from skhlm.cli.formulas import escape_formulas
from skhlm.cli.words import STANDARD
from skhlm.inputs.columns import listed, suggestion
from skhlm.outputs import is_stream, replacing
from skhlm.printable import printable

_PARQUET = (".parquet", ".pq")
_TABS = {".tsv", ".tab"}
_OTHERS = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls"), "Excel's"),
    ".ods": "LibreOffice's",
    **dict.fromkeys((".feather", ".arrow"), "Arrow's"),
    ".json": "JSON's",
    ".sas7bdat": "SAS's",
    ".dta": "Stata's",
    ".sav": "SPSS's",
    ".rds": "R's",
}
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_OTHER_SEPARATORS = {";": "';'", "\t": "tab", "|": "'|'"}  # as one writes them in a shell
_NAMELESS = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")  # as pandas names an index
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_table(
    path: str,
    separator: str | None,
    decimal: str,
    text: Callable[[pd.DataFrame], Iterable[str]],
    encoding: str = "utf-8",
) -> pd.DataFrame:
    """The table in a CSV or Parquet file, or CSV from the standard input.

    Parameters
    ----------
    path : str
    separator, decimal : str
        What is between the columns of CSV, and what before the decimals; None is what the name
        says: a tab in .tsv files, a comma in others.
    text : callable
        From the table as pandas reads it, names of columns that are text in CSV: there each field
        is what it says, "NA" and "007" too, and an empty one is missing. Parquet has types.
    encoding : str
        Of the characters of CSV.

    Raises
    ------
    ValueError
        When the file is no such table, or has no rows.
    ImportError
        When it is Parquet, and nothing is installed that reads it.
    """
    _check_format(path)
    if is_parquet(path):
        with _reading(path):
            table = pd.read_parquet(path)
        text(table)
    else:
        table = _read_csv(path, separator_of(path, separator), decimal, text, encoding)
    if table.empty:
        raise ValueError(f"{path} has no rows.")
    return table


def is_parquet(path: str) -> bool:
    """Whether a table of this name is Parquet, which has types."""
    return path != STANDARD and Path(path).suffix.lower() in _PARQUET


def is_data_set(path: str) -> bool:
    """Whether rows are in the Parquet files of a directory."""
    return path != STANDARD and Path(path).is_dir()


def is_compressed(path: str) -> bool:
    """Whether a CSV file of this name is packed."""
    return Path(path).suffix.lower() in _COMPRESSED


def separator_of(path: str, separator: str | None) -> str:
    """What is between the columns of CSV, as asked for or by the name of the file."""
    if separator is not None:
        return separator
    return "\t" if _TABS & {*map(str.lower, Path(path).suffixes)} else ","


def without_index(table: pd.DataFrame, named: Collection[str], path: str) -> pd.DataFrame:
    """A table without columns that have no name, such as the index that pandas and R write.

    ``named`` are those that somebody asks for. Says what is left out on the standard error.
    """
    nameless = [c for c in names_of(table) if _NAMELESS.fullmatch(c) and c not in named]
    for name in nameless:
        _tell_left_out(f"column {table.columns.get_loc(name)}, {name!r} to pandas,", path)
    return table.drop(columns=nameless)


def check_output(path: str | None, inputs: Iterable[str], *, is_table: bool) -> None:
    """Raise where a file cannot be written to this path, or would take the place of an input."""
    if is_table and path is not None:
        _check_format(path)
    if path in (None, STANDARD) or is_stream(Path(str(path))):
        return
    place = Path(str(path)).resolve()
    folder = place.parent
    if not folder.is_dir():
        raise ValueError(f"{path} cannot be written: there is no directory {str(folder)!r}.")
    if place.is_dir():
        raise ValueError(f"{path} cannot be written: it is a directory.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{path} cannot be written: {str(folder)!r} is read-only.")
    if place.exists() and not os.access(place, os.W_OK):
        raise ValueError(f"{path} cannot be written: it is read-only.")
    if lost := [given for given in inputs if _is_same_file(str(path), given)]:
        raise ValueError(
            f"{path} cannot be written: it is the same file as {lost[0]}, which is read and would "
            "be lost. Name another file."
        )


def write_table(table: pd.DataFrame, path: str, *, escape: bool = True) -> None:
    """Write CSV, or Parquet where the name says so; CSV to the standard output for ``-``.

    In CSV what a spreadsheet would take for a formula is made text, unless ``escape`` is false; a
    note says how much. A terminal is sent no control characters.
    """
    if is_parquet(path):
        with replacing(path) as file:
            table.to_parquet(file, index=False)
        return
    if escape:
        table, n_escaped = escape_formulas(table)
        if n_escaped:
            note(
                f"{n_escaped} text{'s' * (n_escaped > 1)} with = + - or @ first "
                f"{'have' if n_escaped > 1 else 'has'} a ' before it, so that no spreadsheet takes "
                "it for a formula; --no-escape leaves it out."
            )
    if path == STANDARD:
        text = table.to_csv(index=False)
        sys.stdout.write(printable(text) if is_terminal(sys.stdout) else text)
        return
    packed: Any = _COMPRESSED.get(Path(path).suffix.lower())
    with replacing(path) as file:
        table.to_csv(file, mode="wb", index=False, compression=packed, sep=separator_of(path, None))


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


def _check_format(path: str) -> None:
    """Raise where a name is that of a table which is neither read nor written."""
    suffix = Path(path).suffix.lower()
    if path != STANDARD and suffix in _OTHERS:
        raise ValueError(
            f"{path}: tables are CSV or Parquet files, and {suffix} is {_OTHERS[suffix]} format. "
            "Save it as CSV (in Excel as 'CSV UTF-8'), or name a .csv file, which Excel opens."
        )
    if is_parquet(path) and not (find_spec("pyarrow") or find_spec("fastparquet")):
        raise ImportError(
            f"{path}: Parquet files are read and written by pyarrow, which is not installed: "
            "pip install 'skhlm[parquet]'. CSV needs nothing."
        )


def _read_csv(
    path: str,
    separator: str,
    decimal: str,
    text: Callable[[pd.DataFrame], Iterable[str]],
    encoding: str,
) -> pd.DataFrame:
    """The table in a CSV file, read twice: pandas takes "NA" for nothing in all columns or none."""
    source = _source(path)
    options = {"sep": separator, "decimal": decimal, "encoding": encoding, "low_memory": False}
    read: Any = partial(pd.read_csv, **options)  # not low on memory: a column is of one type
    remedy = f" Are its columns separated by {separator!r}? Else say --sep."
    with _reading(path, encoding, remedy):
        table: pd.DataFrame = read(source())
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
        return partial(BytesIO, sys.stdin.buffer.read())
    if Path(path).exists() and not Path(path).is_file():
        return partial(BytesIO, Path(path).read_bytes())
    return lambda: path


@contextmanager
def _reading(path: str, encoding: str = "", remedy: str = "") -> Iterator[None]:
    """Where pandas' and Arrow's parsers fail, say of which file, and what to do."""
    try:
        yield
    except UnicodeError as error:
        raise ValueError(
            f"{path} cannot be read as a table: its characters are not {encoding} "
            f"({_first_line(error)}). Say --encoding {_likely(path)}, or whatever it was saved in."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read as a table: {_first_line(error)}.{remedy}"
        ) from error


def _likely(path: str) -> str:
    """An encoding that a file which is not UTF-8 may have."""
    if not Path(path).is_file():
        return "cp1252"
    with Path(path).open("rb") as file:
        marked = file.read(2) in _UTF_16
    return "utf-16" if marked else "cp1252"


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
    note(f"{what} of {path} has no name and is left out.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
