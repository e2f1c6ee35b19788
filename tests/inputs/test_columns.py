"""Columns found by name or position, and group columns read by value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
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


BERLIN = ZoneInfo("Europe/Berlin")
TWICE = [dt.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1)]
UTC = [dt.datetime(2025, 10, 26, hour, 30, tzinfo=dt.timezone.utc) for hour in (0, 1)]
ZONED = {
    "objects": pd.Series(TWICE, dtype=object),
    "timestamps": pd.Series(list(map(pd.Timestamp, TWICE)), dtype=object),
    "pandas": pd.Series(TWICE),
    "categorical": pd.Series(TWICE).astype("category"),
    "arrow": pd.Series(TWICE).astype(pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin"))),
    "elsewhere": pd.Series(UTC).dt.tz_convert("America/New_York"),
    "two zones": pd.Series([TWICE[0], UTC[1]], dtype=object),
}


@pytest.mark.parametrize("data", ZONED.values(), ids=ZONED)
def test_the_hour_that_comes_twice_is_two_instants(data):
    column = read_group_column("when", pd.concat([data, data]))
    np.testing.assert_array_equal(column.codes, [0, 1, 0, 1])
    assert list(column.values) == UTC
    assert all(value.tzinfo.utcoffset(None) is not None for value in column.values)


def test_dates_with_a_zone_are_printed_as_its_clocks_show_them():
    values = read_group_column("when", ZONED["pandas"]).values
    assert list(map(str, values)) == ["2025-10-26 02:30:00+02:00", "2025-10-26 02:30:00+01:00"]
    (value,) = read_group_column("when", pd.to_datetime([1], unit="ns").tz_localize(BERLIN)).values
    assert str(value) == "1970-01-01 00:00:00.000000001+01:00"


def test_an_instant_in_two_zones_is_one_value():
    data = np.array([*TWICE, *UTC, UTC[0].astimezone(BERLIN)], dtype=object)
    np.testing.assert_array_equal(read_group_column("when", data).codes, [0, 1, 0, 1, 0])


def test_dates_of_any_unit_are_one_value():
    units = [np.datetime64("2020-01-01", unit) for unit in ("Y", "D", "ns")]
    data = [*units, dt.date(2020, 1, 1), pd.Timestamp("2020-01-01"), np.datetime64("NaT"), pd.NaT]
    column = read_group_column("when", np.array(data, dtype=object))
    assert column.values == (dt.datetime(2020, 1, 1),)
    np.testing.assert_array_equal(column.codes, [0, 0, 0, 0, 0, -1, -1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.array([1, 2], dtype="datetime64[ps]"), "finer than nanoseconds"),
        (np.array(["20000-01-01"], dtype="datetime64[s]"), "a date that Python cannot hold"),
        (np.array(["-0500-01-01"], dtype="datetime64[s]"), "a date that Python cannot hold"),
    ],
)
def test_dates_that_would_be_cut_off_are_an_error(data, message):
    with pytest.raises(TypeError, match=f"'when' holds .*{message}"):
        read_group_column("when", data)


def masked(dtype):
    """A nullable column of pandas, with an entry missing."""
    return lambda values: pd.array([*values, None], dtype=dtype)


def arrow(dtype, dictionary=False):
    """A column of pandas over pyarrow, with an entry missing."""

    def make(values):
        array = pa.array([*map(dtype.to_pandas_dtype(), values), None], dtype)
        return pd.Series(
            pd.arrays.ArrowExtensionArray(array.dictionary_encode() if dictionary else array)
        )

    return make


FLOATS = {
    "half": (11, lambda values: np.array(values, dtype=np.float16)),
    "half series": (11, lambda values: pd.Series(np.array(values, dtype=np.float16))),
    "half arrow": (11, arrow(pa.float16())),
    "half polars": (11, lambda values: pl.Series(values, dtype=pl.Float32).to_numpy().astype("e")),
    "single": (24, lambda values: np.array(values, dtype=np.float32)),
    "single nullable": (24, masked("Float32")),
    "single arrow": (24, arrow(pa.float32())),
    "single dictionary": (24, arrow(pa.float32(), dictionary=True)),
    "single categories": (24, lambda values: pd.Categorical(np.array(values, dtype=np.float32))),
    "single sparse": (24, lambda values: pd.arrays.SparseArray(np.array(values, np.float32))),
    "single polars": (24, lambda values: pl.Series(values, dtype=pl.Float32).to_numpy()),
    "single objects": (24, lambda values: np.array([*map(np.float32, values)], dtype=object)),
    "double": (53, lambda values: np.array(values, dtype=np.float64)),
    "double nullable": (53, masked("Float64")),
    "double arrow": (53, arrow(pa.float64())),
    "double objects": (53, lambda values: np.array([*map(float, values)], dtype=object)),
    "double index": (53, lambda values: pd.Index(values, dtype=float)),
}


@pytest.mark.parametrize(("digits", "make"), FLOATS.values(), ids=FLOATS)
def test_floats_are_labels_as_far_as_they_tell_whole_numbers_apart(digits, make):
    most = 2**digits - 1
    assert read_group_column("id", make([0.5, most, -most])).values == (0.5, most, -most)
    for value in (most + 1, -most - 1):
        with pytest.raises(TypeError, match=rf"'id' holds {value}, of type float.*'Int64'.*string"):
            read_group_column("id", make([1.0, value]))


def test_not_a_number_is_missing_in_every_type():
    numbers = np.array([1.5, np.nan, 2.0])
    for data in (
        numbers,
        pd.arrays.FloatingArray(numbers, np.array([False, False, True])),
        pd.Series(pd.arrays.ArrowExtensionArray(pa.array([1.5, np.nan, None]))),
        np.array([1.5, Decimal("NaN"), None], dtype=object),
    ):
        column = read_group_column("g", data)
        assert column.codes[1] == -1
        assert column.values[0] == 1.5 and not np.isnan(column.values).any()


@pytest.mark.parametrize(
    "dtype", ["UInt64", "uint64[pyarrow]", "Int64", "int64[pyarrow]", "object", "category"]
)
def test_whole_numbers_are_exact_beside_missing_ones(dtype):
    most = 2**64 - 1 if dtype[0].lower() == "u" else 2**63 - 1
    column = read_group_column("id", pd.Series([most, most - 1, None], dtype=object).astype(dtype))
    assert column.values == (most, most - 1)
    np.testing.assert_array_equal(column.codes, [0, 1, -1])


def test_zero_has_no_sign():
    assert read_group_column("g", np.array([-0.0, 0.0, 0])).values == (0,)


@pytest.mark.parametrize(
    "value",
    [
        Decimal("0.99999999999999999999"),
        Decimal("0.12345678901234567891"),
        Decimal("1e400"),
        Fraction(1, 3),
        np.longdouble("0.1"),
    ],
)
def test_numbers_of_more_digits_than_a_float_are_an_error(value):
    with pytest.raises(TypeError, match=r"'g' holds .* of more digits than a float has"):
        read_group_column("g", np.array([value, None], dtype=object))


def test_numbers_that_a_float_holds_are_floats():
    data = np.array([Decimal("0.1"), 0.1, Fraction(1, 4), np.longdouble(0.25)], dtype=object)
    assert read_group_column("g", data).values == (0.1, 0.25)
    assert read_group_column("g", np.array([2**60, 1], np.longdouble)).values == (2**60, 1)


@pytest.mark.parametrize(
    "value",
    [
        *([1], 1j, (1, 2), b"a", UUID(int=1), dt.time(1), dt.timedelta(1)),
        *(pd.Interval(0, 1), pd.Period("2020"), pd.Timedelta(1), np.timedelta64(1, "s")),
    ],
)
def test_values_that_cannot_be_labels_are_named(value):
    data = np.empty(2, dtype=object)
    data[:] = [value, value]
    with pytest.raises(TypeError, match=r"'g' holds .*Use strings, numbers, booleans or dates"):
        read_group_column("g", data)


@pytest.mark.parametrize(
    "data",
    [
        pd.Series(pd.period_range("2020", periods=2, freq="M")),
        pd.Series(pd.cut([1, 2, 3], 2)),
        pd.Series(pd.to_timedelta([1, 2])),
        np.array([b"a", b"b"]),
        pd.Series([b"a"], dtype="binary[pyarrow]"),
        np.array([1j]),
    ],
    ids=["period", "interval", "duration", "bytes", "arrow bytes", "complex"],
)
def test_columns_of_other_types_are_refused_alike(data):
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
    assert suggestion("shop", ["region", "region/shop"]) == " Did you mean 'region/shop'?"
    assert suggestion("days", ["day", "passthrough__days"]) == " Did you mean 'passthrough__days'?"


def test_a_column_that_a_transformer_renamed_is_found_and_why():
    columns = Columns(2, ("passthrough__days", "remainder__region"))
    with pytest.raises(ValueError, match=r"mean 'passthrough__days'\?.*feature_names_out=False it"):
        columns.position("days", "exposure")
    with pytest.raises(ValueError, match=r"'remainder__region'\.$"):
        columns.position("weeks", "exposure")
