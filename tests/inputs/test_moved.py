"""Rows with other values in a column, as the kind of table that they were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skhlm.inputs.frames import column_at
from skhlm.inputs.moved import moved_rows, numbers_in, possible_values, values_in, widened

ROWS = np.array([1, 1, 0])
NUMBERS = np.array([-0.5, 1e300, 300.0])


@pytest.mark.parametrize(
    "dtype", ["uint8", "int64", "float32", "bool", "Int8", "object", "category"]
)
def test_numbers_stay_what_they_are(dtype):
    X = pd.DataFrame({"self": [1, 0], "g": ["a", "b"]}).astype({"self": dtype})
    before = X.copy()
    tables = {
        "pandas": X,
        "polars": pl.DataFrame({"self": X["self"].astype("int8").to_numpy(), "g": ["a", "b"]}),
        "pyarrow": pa.table({"self": pa.array([1, 0], pa.uint8()), "g": ["a", "b"]}),
        "array": X.to_numpy(),
        "numbers": np.array([[1, 7], [0, 8]], dtype="uint8"),
    }
    for name, table in tables.items():
        moved = moved_rows(table, ROWS, 0, NUMBERS)
        assert type(moved) is type(table)
        assert list(column_at(moved, 0)) == NUMBERS.tolist()
        assert list(column_at(moved, 1)) == ([8, 8, 7] if name == "numbers" else ["b", "b", "a"])
    pd.testing.assert_frame_equal(X, before)


def test_large_integers_keep_their_digits():
    array = np.array([[2**60 + 1, 3], [5, 4]])
    assert moved_rows(array, ROWS, 1, NUMBERS)[:, 0].tolist() == [5, 5, 2**60 + 1]


def test_categories_keep_their_type():
    values = np.array(["long", "b", "b"], dtype=object)
    X = pd.DataFrame({"c": pd.Categorical(["b", "long"]), "x": [1.0, 2.0]})
    assert moved_rows(X, ROWS, 0, values).dtypes.iloc[0] == X.dtypes.iloc[0]
    frame = pl.DataFrame({"c": ["b", "long"]}, schema={"c": pl.Enum(["long", "b"])})
    moved = moved_rows(frame, ROWS, 0, values)
    assert moved.schema == frame.schema
    assert moved["c"].to_list() == values.tolist()
    text = np.array([["b", "x"], ["c", "y"]])
    assert moved_rows(text, ROWS, 0, values)[:, 0].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2], [1.0, 2.0]),
        (["1.5", "2"], [1.5, 2.0]),
        ([None, 2.0], [np.nan, 2.0]),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
        ([True, False], None),
        (pd.array([True, None], dtype="boolean"), None),
        (["a", "1"], None),
        (pd.Categorical([1, 2]), None),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), None),
    ],
)
def test_what_are_numbers(column, expected):
    found = numbers_in(pd.DataFrame({"x": column}), 0)
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_array_equal(found, expected)


def test_values_that_a_column_has_and_may_have():
    X = pd.DataFrame(
        {"c": pd.Categorical(["b", None], ["b", "a"]), "t": ["z", "y"], "b": [True, False]}
    )
    assert values_in(X, 1) == ["y", "z"]
    assert values_in(pd.DataFrame({"x": ["a", 1, None]}), 0) == ["a", 1]
    assert [possible_values(X, j) for j in range(3)] == [["b", "a"], None, [False, True]]
    frame = pl.DataFrame(
        {"e": ["b"], "b": [True], "t": ["a"]}, schema_overrides={"e": pl.Enum(["b", "a"])}
    )
    assert [possible_values(frame, j) for j in range(3)] == [["b", "a"], [False, True], None]


def test_further_columns_stand_behind_the_others():
    frame = pd.DataFrame({"g": ["a", "b"], "x": [1, 2]}, index=[7, 7])
    values = np.array([[0.5, 1e300], [-1.5, 2.0]])
    tables = {
        "pandas": frame,
        "unnamed": frame.set_axis([0, 1], axis=1),
        "polars": pl.DataFrame({"g": ["a", "b"], "x": [1, 2]}),
        "pyarrow": pa.table({"g": ["a", "b"], "x": pa.array([1, 2], pa.uint8())}),
        "objects": frame.to_numpy(),
        "text": np.array([["a", "1"], ["b", "2"]]),
        "numbers": np.array([[3, 1], [4, 2]], dtype="uint8"),
        "large": np.array([[2**60 + 1, 1], [4, 2]]),
    }
    for name, table in tables.items():
        before = repr(table)
        found = widened(table, ["g", "x", "m", "n"], values)
        assert type(found) is type(table)
        assert found.shape == (2, 4)
        assert [list(column_at(found, j)) for j in (2, 3)] == values.T.tolist()
        assert list(column_at(found, 0)) == list(column_at(table, 0))
        if not isinstance(table, np.ndarray):
            names = list(getattr(found, "column_names", found.columns))
            assert names == ["g", "x", "m", "n"]
        assert repr(table) == before, name
