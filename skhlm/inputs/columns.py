"""The columns of X: how the user may refer to them, and what a group column holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from decimal import Decimal
from difflib import get_close_matches
from numbers import Integral, Real
from reprlib import repr as repr_short
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from skhlm._typing import Bools, Ints

Label = str | int | float | bool | datetime
_SHOWN = 10
_PREFIXED = "__"  # what ColumnTransformer puts between the name of a transformer and a column's
_DATES = (date, np.datetime64)
_WITH_DATES = ("date", "datetime", "datetime64", "mixed", "mixed-integer")  # as pandas infers
_MADE_OF = (
    " If predictors are made of it, say how by derive, such as derive=lambda spend: {'log_spend': "
    "np.log(spend)}."
)
_FINER = ("datetime64[ps]", "datetime64[fs]", "datetime64[as]")


def listed(values: Iterable[object]) -> str:
    """The first few values for an error message, as Python writes them."""
    values = list(values)
    shown = ", ".join(map(repr, values[:_SHOWN]))
    return f"{shown}, ... ({len(values)} in all)" if len(values) > _SHOWN else shown


def suggestion(name: object, known: Iterable[object]) -> str:
    """A question to end an error message with, or nothing when no known name is close."""
    names = [str(other) for other in known]
    longer = [other for other in names if other.endswith((f"/{name}", f"{_PREFIXED}{name}"))]
    match = longer or get_close_matches(str(name), names, n=1)
    return f" Did you mean {match[0]!r}?" if match else ""


def as_list(given: object) -> list[Any] | None:
    """Entries of a list, tuple, set, index, array or series; None where it is none of these."""
    if not isinstance(given, Collection) or isinstance(given, (str, bytes, Mapping)):
        return None
    if getattr(given, "ndim", 1) != 1 or hasattr(given, "columns"):
        return None
    return sorted(given, key=repr) if isinstance(given, Set) else list(given)


def is_frame(given: Any) -> bool:
    """Whether it is a data frame, of whichever package."""
    return len(getattr(given, "shape", ())) == 2 and hasattr(given, "columns")


def labels_of(frame: Any) -> list[Any]:
    """Column labels of a frame, which in a pyarrow table are not its ``columns``."""
    return list(frame.column_names if is_arrow(frame) else frame.columns)


def is_arrow(given: Any) -> bool:
    """Whether a table is pyarrow's."""
    return hasattr(given, "column_names") and not hasattr(given, "iloc")


_Found = TypeVar("_Found", bound=Hashable)


def check_characters(text: str, what: str) -> str:
    """The text itself; raise where it holds half a character, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} {text!r} holds {text[error.start]!r}, half a character, as a file read in a "
            "wrong encoding leaves it. It can be neither stored nor printed: replace it."
        ) from error
    return text


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
            f"{argument}: a column is given by its name or its position, got "
            f"{repr_short(column)} of type {type(column).__name__}."
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
                "data frame whose columns all have strings as names, or give positions. A "
                "transformer before the model keeps names with .set_output(transform='pandas')."
            )
        if name not in self.names:
            raise ValueError(
                f"{argument}: there is no column {name!r} in X. Its columns are "
                f"{listed(self.names)}.{suggestion(name, self.names)}{self._why_prefixed(name)}"
                + _MADE_OF
                * (argument == "feature")
            )
        return self.names.index(name)

    def _why_prefixed(self, name: str) -> str:
        """A sentence on names of columns that a transformer has made longer; empty without."""
        if not any(other.endswith(f"{_PREFIXED}{name}") for other in self.names or ()):
            return ""
        return (
            " A ColumnTransformer names columns so; with verbose_feature_names_out=False it leaves "
            "names as they are."
        )

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

    1, 1.0, True and np.int8(1) are one value, and so are two dates with time zones at one instant.
    None, NaN, NaT and pd.NA are missing.
    """
    try:
        found, distinct = pd.factorize(_hashable(name, data))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            f"Group column {name!r} holds values that cannot be labels ({error}). "
            "Use strings, numbers, booleans or dates."
        ) from error
    values = _plain_values(name, _scalars(distinct))
    table: dict[Label, int] = {}
    merged = [-1 if value != value else table.setdefault(value, len(table)) for value in values]
    codes = found.astype(np.int64, copy=False)
    if merged != list(range(len(values))):
        codes = np.where(codes < 0, -1, np.asarray(merged, dtype=np.int64)[codes])
    return GroupColumn(name, codes, tuple(table))


def kind(value: Label) -> str:
    """What sort of value a label is; labels of one column must be of one kind."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, datetime):
        return "date" if value.tzinfo is None else "date with a time zone"
    return "number"


def _hashable(name: str, data: Any) -> Any:
    """A column in which pandas can tell the distinct values.

    It knows single and double precision, and dates down to nanoseconds; of Python's dates it takes
    two for one where a clock that is set back shows the same time.
    """
    dtype = getattr(data, "dtype", None)
    arrow: Any = getattr(dtype, "pyarrow_dtype", None)
    if hasattr(arrow, "index_type"):  # a dictionary
        return data.astype(pd.ArrowDtype(arrow.value_type))
    if getattr(dtype, "numpy_dtype", None) == np.float16:  # of Arrow
        return np.array([v if pd.isna(v) else np.float16(v) for v in data], dtype=object)
    if not isinstance(dtype, np.dtype):
        return data
    if dtype.name in _FINER:
        raise TypeError(f"dates of type {dtype}, which is finer than nanoseconds")
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return np.array([*np.asarray(data)], dtype=object)
    if dtype.kind == "O" and pd.api.types.infer_dtype(data, skipna=True) in _WITH_DATES:
        known = (isinstance(v, _DATES) and not pd.isna(v) for v in data)
        plain = [_plain_date(name, v) if date else v for v, date in zip(data, known, strict=True)]
        return pd.Series(plain, dtype=object)
    return data


def _scalars(distinct: Any) -> list[Any]:
    """Values as scalars: of a type that tells its precision where they are floats."""
    if isinstance(distinct.dtype, pd.CategoricalDtype):
        distinct = distinct.categories.take(distinct.codes)
    dtype = getattr(distinct.dtype, "numpy_dtype", distinct.dtype)  # of nullable and Arrow's types
    dtype = dtype.subtype if isinstance(dtype, pd.SparseDtype) else dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return [*np.asarray(distinct, dtype=dtype)]
    return [*pd.Index(distinct, dtype=object if distinct.dtype == object else None).tolist()]


def _plain_values(name: str, values: Sequence[object]) -> list[Label]:
    """Plain scalars, whole numbers as int; booleans stay only where all values are booleans."""
    plain = [_plain(name, value) for value in values]
    if all(isinstance(value, bool) for value in plain):
        return plain
    return [int(value) if isinstance(value, bool) else value for value in plain]


def _plain(name: str, value: object) -> Label:
    """One label as a plain Python scalar equal to it; NaN where it is missing."""
    if isinstance(value, str):
        return check_characters(str.__str__(value), f"Group column {name!r}: label")
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (Real, Decimal)) and not isinstance(value, np.timedelta64):
        return int(value) if isinstance(value, Integral) else _plain_number(name, value)
    if isinstance(value, _DATES):
        return _plain_date(name, value)
    raise TypeError(
        f"Group column {name!r} holds {value!r} of type {type(value).__name__}, which cannot "
        "be a label. Use strings, numbers, booleans or dates, or convert the column to strings."
    )


def _plain_number(name: str, value: Any) -> int | float:
    """A number as int where it is whole, else as float; never as one of several that it may be."""
    number = float(value)
    plain = int(value) if number.is_integer() else number
    told = Decimal(repr(plain)) if isinstance(value, Decimal) else plain
    if told != value and number == number:
        raise TypeError(
            f"Group column {name!r} holds {value}, of more digits than a float has: it could not "
            "be told from other labels. Round the column, or convert it to strings."
        )
    if isinstance(value, (float, np.floating)) and not _tells_whole_numbers(type(value), plain):
        raise TypeError(
            f"Group column {name!r} holds {plain}, of type {type(value).__name__}, in which it is "
            "too large to tell whole numbers apart. Read identifiers as integers ('Int64' where "
            "some are missing) or as strings."
        )
    return plain


def _tells_whole_numbers(precision: type, number: int | float) -> bool:
    """Whether floats of a type have a value for each whole number up to this one."""
    return isinstance(number, float) or abs(number) < int(2 / np.finfo(precision).eps)


def _plain_date(name: str, value: Any) -> datetime:
    """A date as its midnight, one with a time zone as its instant and offset from UTC.

    Dates of one zone would be compared by what its clocks show, which is the same twice a year.
    Nanoseconds, which plain Python does not know, are not cut off.
    """
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if not isinstance(value, datetime):
        return datetime.combine(value, time())
    offset = value.utcoffset()
    zone = None if offset is None else timezone(offset)
    if not isinstance(value, pd.Timestamp):
        return value.replace(tzinfo=zone, fold=0)
    if value.nanosecond:
        return value if zone is None else value.tz_convert(zone)
    try:
        return value.to_pydatetime().replace(tzinfo=zone, fold=0)
    except ValueError as error:
        raise TypeError(
            f"Group column {name!r} holds {value}, a date that Python cannot hold: {error}. "
            "Convert the column to strings."
        ) from error
