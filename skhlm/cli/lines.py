"""Where a row of a CSV file is: the line that an editor shows."""

from __future__ import annotations

import csv
import re
from argparse import Namespace
from contextlib import suppress
from itertools import islice
from pathlib import Path

from skhlm.cli.tables import is_compressed, is_parquet, separator_of
from skhlm.cli.words import STANDARD

_ROW = re.compile(r"\bin row (\d+)\b")


def with_lines(message: str, options: Namespace) -> str:
    """A message that names rows, counted from 0 as in Python, with their lines in the file."""

    def with_line(found: re.Match[str]) -> str:
        line = _line_of(int(found[1]), options)
        return found[0] if line is None else f"{found[0]} (line {line})"

    return _ROW.sub(with_line, message)


def _line_of(row: int, options: Namespace) -> int | None:
    """In which line of the CSV file, from 1, a row ends; None where that cannot be told."""
    path = getattr(options, "data", None)
    if path in (None, STANDARD) or is_parquet(path) or is_compressed(path):
        return None
    with (
        suppress(OSError, UnicodeError, csv.Error),
        Path(path).open(encoding=options.encoding, newline="") as file,
    ):
        reader = csv.reader(file, delimiter=separator_of(path, options.sep))
        lines = (reader.line_num for fields in reader if fields)  # pandas skips empty lines
        return next(islice(lines, row + 1, None), None)
    return None
