"""Rows of X as the user gave them, with other values in a column, or with further columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skhlm._typing import Floats, Ints
from skhlm.inputs.frames import column_at

_WHOLE = 2**53  # larger integers are not all floats


def moved_rows(X: Any, rows: Ints, position: int, values: Any) -> Any:
    """Some rows of X, (N,), with other values in a column.

    Numbers stay the float64 that they are, whatever type the column had; what is no number gets
    the column's own type, whose categories a transformer may rely on.
    """
    if hasattr(X, "iloc"):
        frame = X.iloc[rows].copy()
        frame.isetitem(position, _typed(values, X.dtypes.iloc[position]))
        return frame
    if hasattr(X, "with_columns"):
        column = X.to_series(position)
        dtype = None if values.dtype == np.float64 else column.dtype
        return X[rows].with_columns(type(column)(column.name, values.tolist(), dtype=dtype))
    if hasattr(X, "set_column"):
        return X.take(rows).set_column(position, X.column_names[position], [values.tolist()])
    array = _roomy(np.asarray(X), values)[rows]
    array[:, position] = values
    return array


def widened(X: Any, names: Sequence[str], values: Floats) -> Any:
    """A table with further columns, values (n, m), behind its own.

    ``names`` are those of all columns; a frame of pandas whose own are no strings takes them.
    """
    first = X.shape[1]
    added = dict(zip(names[first:], values.T, strict=True))
    if hasattr(X, "iloc"):
        frame = pd.concat([X, pd.DataFrame(added, index=X.index)], axis=1)
        return frame if isinstance(X.columns[0], str) else frame.set_axis(list(names), axis=1)
    if hasattr(X, "with_columns"):
        kind = type(X.to_series(0))
        return X.with_columns(*(kind(name, column.tolist()) for name, column in added.items()))
    if hasattr(X, "append_column"):
        for name, column in added.items():
            X = X.append_column(name, [column.tolist()])
        return X
    return np.column_stack([_roomy(np.asarray(X), values), values])


def numbers_in(X: Any, position: int) -> Floats | None:
    """Values of a column (n,), NaN where there is none; None where they are no numbers."""
    column = pd.Series(column_at(X, position))
    known = set(column.dropna().map(type)) if column.dtype == object else set()
    if column.dtype.kind in "bmM" or isinstance(column.dtype, pd.CategoricalDtype):
        return None
    if known and known <= {bool, np.bool_}:
        return None
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        return None


def values_in(X: Any, position: int) -> list[Any]:
    """The values of a column that are there, each once, sorted where they can be."""
    column = pd.Series(column_at(X, position))
    values: list[Any] = column.dropna().astype(object).unique().tolist()
    try:
        return sorted(values)
    except TypeError:
        return values


def possible_values(X: Any, position: int) -> list[Any] | None:
    """All values that the type of a column admits, where these are few: booleans, categories."""
    if hasattr(X, "with_columns"):
        dtype: Any = X.dtypes[position]
        known = dtype.categories.to_list() if type(dtype).__name__ == "Enum" else None
    else:
        dtype = getattr(column_at(X, position), "dtype", None)
        known = dtype.categories.tolist() if isinstance(dtype, pd.CategoricalDtype) else None
    return [False, True] if str(dtype).lower().startswith("bool") else known


def _typed(values: Any, dtype: Any) -> Any:
    """Values for a column of pandas."""
    if values.dtype == np.float64:
        return values
    return pd.Series(values.tolist(), dtype=object).astype(dtype).array


def _roomy(array: Any, values: Any) -> Any:
    """An array whose type holds its own entries and the values without loss."""
    if array.dtype.kind in "iu" and array.size and np.abs(array.astype(object)).max() > _WHOLE:
        return array.astype(object)
    if array.dtype.kind in "OSU" or values.dtype != np.float64:
        return array.astype(object)
    return array.astype(np.result_type(array.dtype, np.float64))
