"""The columns of X: how the user may refer to them, and what a group column holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from skhlm._typing import Bools, Ints

Label = str | int | float | bool | datetime
_SHOWN = 10
_WHOLE = 2.0**53  # from here on a float is next to no odd number


def listed(values: Iterable[object]) -> str:
    """The first few values for an error message, as Python writes them."""
    values = list(values)
    shown = ", ".join(map(repr, values[:_SHOWN]))
    return f"{shown}, ... ({len(values)} in all)" if len(values) > _SHOWN else shown


def suggestion(name: object, known: Iterable[object]) -> str:
    """A question to end an error message with, or nothing when no known name is close."""
    match = get_close_matches(str(name), [str(other) for other in known], n=1)
    return f" Did you mean {match[0]!r}?" if match else ""


def as_list(given: object) -> list[Any] | None:
    """Entries of a list, tuple, set, index, array or series; None where it is none of these."""
    if not isinstance(given, Collection) or isinstance(given, (str, bytes, Mapping)):
        return None
    if getattr(given, "ndim", 1) != 1 or hasattr(given, "columns"):
        return None
    return sorted(given, key=repr) if isinstance(given, Set) else list(given)


_Found = TypeVar("_Found", bound=Hashable)


def by_meaning(
    given: Mapping[Any, object], meaning: Callable[[object], _Found], argument: str
) -> dict[_Found, object]:
    """A mapping by what its keys mean; two spellings of one key contradict each other."""
    spelt: dict[_Found, object] = {}
    for key in given:
        first = spelt.setdefault(meaning(key), key)
        if first is not key:
            raise ValueError(f"{argument}: {first!r} and {key!r} name the same thing. Keep one.")
    return {found: given[key] for found, key in spelt.items()}


@dataclass(frozen=True)
class Columns:
    """How many columns X has and what they are called; by name or position they are found here.

    As in scikit-learn, an integer is always a position (counted from the end when negative) and a
    string always a name; names exist only where all of them are strings.
    """

    n: int
    names: tuple[str, ...] | None = None

    def position(self, column: object, argument: str) -> int:
        """Position of a column given by name or position; ``argument`` is who asked."""
        if isinstance(column, str):
            return self._named(column, argument)
        if isinstance(column, Integral) and not isinstance(column, (bool, np.bool_)):
            return self._numbered(int(column), argument)
        raise TypeError(
            f"{argument}: a column is given by its name or its position, got {column!r} of type "
            f"{type(column).__name__}."
        )

    def group_name(self, position: int) -> str:
        """What a group column is called in the names of grouping factors."""
        return str(position) if self.names is None else self.names[position]

    def predictor_name(self, position: int) -> str:
        """What a predictor and its coefficients are called."""
        return f"x{position}" if self.names is None else self.names[position]

    def _named(self, name: str, argument: str) -> int:
        if self.names is None:
            raise ValueError(
                f"{argument}: X has no column names, so column {name!r} cannot be found. Pass a "
                "data frame whose columns all have strings as names, or give positions."
            )
        if name not in self.names:
            raise ValueError(
                f"{argument}: there is no column {name!r} in X. Its columns are "
                f"{listed(self.names)}.{suggestion(name, self.names)}"
            )
        return self.names.index(name)

    def _numbered(self, position: int, argument: str) -> int:
        if not -self.n <= position < self.n:
            raise ValueError(
                f"{argument}: there is no column {position} in X, which has {self.n} columns: "
                f"positions go from 0 to {self.n - 1}."
            )
        return position % self.n


@dataclass(frozen=True)
class GroupColumn:
    """One group column, each distinct value kept once: row i holds ``values[codes[i]]``.

    Values are plain Python scalars that differ under ``==``; a missing value has code -1.
    """

    name: str
    codes: Ints
    values: tuple[Label, ...]

    @property
    def n_missing(self) -> int:
        """Number of rows without a value."""
        return int(np.count_nonzero(self.codes < 0))

    def rows(self, mask: Bools) -> GroupColumn:
        """The same column restricted to some rows."""
        return replace(self, codes=self.codes[mask])

    def present(self) -> list[int]:
        """Which of the values occur in at least one row."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))
        found: list[int] = np.flatnonzero(counts).tolist()
        return found


def read_group_column(name: str, data: Any) -> GroupColumn:
    """Distinct values of a column of any kind and each row's value, by value and never by code.

    1, 1.0, True and np.int8(1) are one value. None, NaN, NaT and pd.NA are missing.
    """
    if getattr(data, "dtype", None) == np.float16:  # which pandas cannot factorise
        data = np.asarray(data, dtype=np.float64)
    try:
        found, uniques = pd.factorize(data)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Group column {name!r} holds values that cannot be labels ({error}). "
            "Use strings, numbers, booleans or dates."
        ) from error
    labels = pd.Index(uniques, dtype=object if uniques.dtype == object else None)
    values = _plain_values(name, labels.tolist())
    table: dict[Label, int] = {}
    merged = [table.setdefault(value, len(table)) for value in values]
    codes = found.astype(np.int64, copy=False)
    if len(table) < len(values):
        codes = np.where(codes < 0, -1, np.asarray(merged, dtype=np.int64)[codes])
    return GroupColumn(name, codes, tuple(table))


def kind(value: Label) -> str:
    """What sort of value a label is; labels of one column must be of one kind."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, datetime):
        return "date" if value.tzinfo is None else "date with a time zone"
    return "number"


def _plain_values(name: str, values: Sequence[object]) -> list[Label]:
    """Plain scalars, whole numbers as int; booleans stay only where all values are booleans."""
    plain = [_plain(name, value) for value in values]
    if all(isinstance(value, bool) for value in plain):
        return plain
    return [int(value) if isinstance(value, bool) else value for value in plain]


def _plain(name: str, value: object) -> Label:
    """One label as a plain Python scalar equal to it."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, (Real, Decimal)):
        return _plain_number(name, value)
    if isinstance(value, date):
        return _plain_date(value)
    raise TypeError(
        f"Group column {name!r} holds {value!r} of type {type(value).__name__}, which cannot "
        "be a label. Use strings, numbers, booleans or dates, or convert the column to strings."
    )


def _plain_number(name: str, value: Any) -> int | float:
    """A number as int where it is whole; floats that stand for several whole numbers are none."""
    number = float(value)
    if not number.is_integer():
        return number
    if isinstance(value, float) and abs(number) >= _WHOLE:
        raise TypeError(
            f"Group column {name!r} holds {value!r}, a float too large to tell whole numbers "
            "apart. Read identifiers as integers ('Int64' where some are missing) or as strings."
        )
    return int(value)


def _plain_date(value: date) -> datetime:
    """A date as its midnight; nanoseconds, which plain Python does not know, are not cut off."""
    if isinstance(value, pd.Timestamp):
        return value if value.nanosecond else value.to_pydatetime()
    return value if isinstance(value, datetime) else datetime.combine(value, time())
