"""Columns found by name or position, and group columns read by value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skhlm.inputs.columns import Columns, kind, listed, read_group_column, suggestion

NAMED = Columns(3, ("region", "a/b", "spend"))


@pytest.mark.parametrize(
    ("column", "position"), [("region", 0), ("a/b", 1), (2, 2), (-1, 2), (np.int64(1), 1)]
)
def test_a_column_is_found_by_name_or_position(column, position):
    assert NAMED.position(column, "groups") == position


@pytest.mark.parametrize(
    ("columns", "column", "error", "message"),
    [
        (NAMED, "regoin", ValueError, r"groups: .*'regoin'.*'region', 'a/b'.*mean 'region'\?"),
        (NAMED, 3, ValueError, "no column 3 in X, which has 3 columns"),
        (NAMED, -4, ValueError, "no column -4"),
        (NAMED, True, TypeError, "True of type bool"),
        (NAMED, 1.0, TypeError, "1.0 of type float"),
        (Columns(3), "region", ValueError, "no column names.*give positions"),
    ],
)
def test_a_column_that_is_not_there_is_an_error(columns, column, error, message):
    with pytest.raises(error, match=message):
        columns.position(column, "groups")


def test_columns_without_names_are_called_by_position():
    assert (Columns(3).group_name(2), Columns(3).predictor_name(2)) == ("2", "x2")
    assert (NAMED.group_name(2), NAMED.predictor_name(2)) == ("spend", "spend")


READ_ALIKE = {
    "object": np.array(["b", None, "a", "b"], dtype=object),
    "nan": np.array(["b", np.nan, "a", "b"], dtype=object),
    "string": pd.array(["b", pd.NA, "a", "b"], dtype="string"),
    "arrow": pd.array(["b", None, "a", "b"], dtype="string[pyarrow]"),
    "categorical": pd.Categorical(["b", None, "a", "b"], categories=["z", "b", "a"]),
    "polars": pl.Series(["b", None, "a", "b"]).to_numpy(),
    "enum": pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["z", "b", "a"])).to_numpy(),
}


@pytest.mark.parametrize("data", READ_ALIKE.values(), ids=READ_ALIKE)
def test_strings_are_read_alike_from_every_type(data):
    column = read_group_column("g", data)
    rows = [column.values[code] if code >= 0 else None for code in column.codes]
    assert rows == ["b", None, "a", "b"]
    assert column.n_missing == 1
    assert all(type(value) is str for value in column.values)


NUMBERS_ALIKE = {
    "int": np.array([1, 2, 1]),
    "int8": np.array([1, 2, 1], dtype=np.int8),
    "float": np.array([1.0, 2.0, 1.0]),
    "nullable": pd.array([1, 2, 1], dtype="Int64"),
    "arrow": pd.array([1, 2, 1], dtype="int64[pyarrow]"),
    "object": np.array([1, Decimal(2), True], dtype=object),
    "mixed": np.array([np.int8(1), 2.0, 1.0], dtype=object),
    "categorical": pd.Categorical([1, 2, 1], categories=[2, 3, 1]),
}


@pytest.mark.parametrize("data", NUMBERS_ALIKE.values(), ids=NUMBERS_ALIKE)
def test_equal_numbers_are_one_value_of_plain_type(data):
    column = read_group_column("g", data)
    assert [column.values[code] for code in column.codes] == [1, 2, 1]
    assert [type(value) for value in column.values] == [int, int]


def test_only_a_column_of_booleans_keeps_them():
    assert read_group_column("g", np.array([True, False])).values == (True, False)
    mixed = [
        read_group_column("g", np.array(v, dtype=object)) for v in ([True, 0, 1], [1, 0, True])
    ]
    assert [[type(value) for value in column.values] for column in mixed] == [[int, int]] * 2


def test_numbers_are_not_rounded():
    values = (0.1, 2**60 + 1, float("inf"), -0.5)
    assert read_group_column("g", np.array(values, dtype=object)).values == values


@pytest.mark.parametrize(
    "data",
    [
        pd.Series(pd.to_datetime(["2020-01-31", None])),
        np.array(["2020-01-31", "NaT"], dtype="datetime64[D]"),
        np.array([dt.date(2020, 1, 31), None], dtype=object),
        np.array([dt.datetime(2020, 1, 31), pd.NaT], dtype=object),
    ],
    ids=["pandas", "numpy", "dates", "datetimes"],
)
def test_a_date_is_its_midnight(data):
    column = read_group_column("when", data)
    assert column.values == (dt.datetime(2020, 1, 31),)
    assert type(column.values[0]) is dt.datetime
    np.testing.assert_array_equal(column.codes, [0, -1])


def test_nanoseconds_are_not_cut_off():
    data = pd.Series(pd.to_datetime([1, 2], unit="ns"))
    assert len(read_group_column("when", data).values) == 2


@pytest.mark.parametrize(
    "value", [[1], 1j, (1, 2), b"a", pd.Interval(0, 1), pd.Period("2020"), pd.Timedelta(1)]
)
def test_values_that_cannot_be_labels_are_named(value):
    data = np.empty(2, dtype=object)
    data[:] = [value, value]
    with pytest.raises(TypeError, match=r"'g' holds .*Use strings, numbers, booleans or dates"):
        read_group_column("g", data)


def test_rows_keep_the_values_and_say_which_are_present():
    column = read_group_column("g", np.array(["a", "b", "c"]))
    assert column.rows(np.array([True, False, True])).present() == [0, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "string"),
        (1, "number"),
        (True, "number"),
        (0.5, "number"),
        (dt.datetime(2020, 1, 1), "date"),
        (dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), "date with a time zone"),
    ],
)
def test_kinds_of_labels(value, expected):
    assert kind(value) == expected


def test_error_messages_stay_short():
    assert listed("ab") == "'a', 'b'"
    assert listed(range(99)).endswith("9, ... (99 in all)")
    assert suggestion("contry", ["country", "region"]) == " Did you mean 'country'?"
    assert suggestion("x", ["country"]) == ""
