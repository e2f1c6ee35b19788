"""Fields of CSV, which has no types, as what a model or a column can be told to hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_datetime64_any_dtype

from skhlm.inputs.columns import Label, kind

_FLAGS = dict.fromkeys(("True", "true", "TRUE"), True) | dict.fromkeys(
    ("False", "false", "FALSE"), False
)


def as_labels(fields: pd.Series[Any], labels: Sequence[Label], decimal: str) -> pd.Series[Any]:
    """Group column of a table as the labels of a model are: text, numbers, booleans or dates.

    Parameters
    ----------
    fields : Series of str
        With missing entries.
    labels : sequence
        What the model has for this column, all of one kind.
    decimal : str
        What stands before decimals.

    Returns
    -------
    Series
        A field that cannot be such a label stays text: a level that the model has not seen.
    """
    codes, distinct = pd.factorize(fields)
    values = np.empty(len(distinct) + 1, dtype=object)
    values[:] = [*(_label(text, labels[0], decimal) for text in distinct), None]
    return pd.Series(values[codes], index=fields.index, dtype=object)


def as_numbers(fields: pd.Series[Any]) -> pd.Series[Any]:
    """A column as numbers where they would be written as the fields are, else as it is."""
    try:
        numbers: pd.Series[Any] = pd.to_numeric(fields)
    except (TypeError, ValueError):
        return fields
    told = fields.notna()
    same = numbers[told].notna() & numbers[told].astype(str).eq(fields[told])
    return numbers if same.all() else fields


def holds_numbers(values: pd.Series[Any], flags: bool = False) -> bool:
    """Whether a column holds numbers; ``flags`` says whether true and false are such."""
    if is_datetime64_any_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        return False
    if infer_dtype(values, skipna=True) == "boolean":
        return flags
    try:
        pd.to_numeric(values)
    except (TypeError, ValueError):
        return False
    return True


def first_word(y: pd.Series[Any]) -> str:
    """The first value that is no number, and how many there are."""
    wrong = y.notna() & ~y.map(lambda value: holds_numbers(pd.Series([value]))).astype(bool)
    more = int(wrong.sum()) - 1
    others = f", and {more} more are no numbers" if more else ", which is no number"
    row = int(wrong.to_numpy().argmax())
    return f"is {y.iloc[row]!r} in row {row}{others}"


def check_numbers(values: pd.Series[Any], option: str = "", least: float = -np.inf) -> None:
    """Raise unless a column holds finite numbers, not below ``least``; name the row and value."""
    name = f"{option}column {values.name!r}"
    if not holds_numbers(values, flags=True):
        raise ValueError(f"{name} {first_word(values)}.")
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers) | (numbers < least)
    if not wrong.any():
        return
    row, many = int(wrong.argmax()), int(wrong.sum())
    found = numbers[row]
    what = "is missing" if np.isnan(found) else f"is {found:g}"
    others = f" ({many} such rows in all)" if many > 1 else ""
    raise ValueError(f"{name} {what} in row {row}{others}: fill it in, or leave such rows out.")


def _label(text: str, like: Label, decimal: str) -> Any:
    """A field as a label of the sort of another one."""
    if isinstance(like, str):
        return text
    if isinstance(like, bool):
        return _FLAGS.get(text, _number(text, decimal))
    return _number(text, decimal) if kind(like) == "number" else _date(text)


def _number(text: str, decimal: str) -> Any:
    """A number from text; whole ones are exact, and words that Python knows are none."""
    for read, written in ((int, text), (float, text.replace(decimal, "."))):
        try:
            number = read(written)
        except ValueError:
            continue
        return text if "_" in text or number != number else number
    return text


def _date(text: str) -> Any:
    """A date from text, as ISO 8601 has it."""
    try:
        return pd.to_datetime(text, format="ISO8601")
    except ValueError:
        return text
