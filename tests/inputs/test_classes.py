"""Labels of two classes: any type in, zeros and ones out, and back."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import accuracy_score

from skhlm.inputs.classes import Classes, check_labels

TRUTH = np.array([0, 1, 1, 0, 1])


def labelled(first, second, **kind):
    return np.array([first, second], **kind)[TRUTH]


OF_ANY_TYPE = {
    "strings": (labelled("no", "yes"), ["no", "yes"]),
    "objects": (labelled("no", "yes", dtype=object), ["no", "yes"]),
    "booleans": (labelled(False, True), [False, True]),
    "numbers": (labelled(-1, 7), [-1, 7]),
    "dates": (
        pd.to_datetime(labelled("2020-01-01", "2021-01-01")),
        pd.to_datetime(["2020", "2021"]),
    ),
    "nanoseconds": (
        labelled("2020-01-01", "2021-01-01", dtype="datetime64[ns]"),
        pd.to_datetime(["2020", "2021"]),
    ),
    "durations": (labelled(1, 2, dtype="timedelta64[D]"), pd.to_timedelta([1, 2], unit="D")),
    "minutes, five at a time": (
        labelled(1, 2, dtype="datetime64[5m]"),
        [datetime(1970, 1, 1, 0, 5), datetime(1970, 1, 1, 0, 10)],
    ),
    "numbers of half precision": (labelled(0, 1, dtype=np.float16), [0, 1]),
    "floats": (labelled(2.0, 3.0), [2.0, 3.0]),
    "a list": (labelled("a", "b").tolist(), ["a", "b"]),
    "a series": (pd.Series(labelled("a", "b"), index=[4, 3, 2, 1, 0]), ["a", "b"]),
    "pandas' strings": (pd.Series(labelled("a", "b"), dtype="string"), ["a", "b"]),
    "nullable booleans": (pd.Series(labelled(False, True), dtype="boolean"), [False, True]),
    "nullable integers": (pd.Series(labelled(3, 5), dtype="Int64"), [3, 5]),
    "categories": (pd.Series(pd.Categorical(labelled("a", "b"), ["b", "a", "c"])), ["a", "b"]),
    "polars": (pl.Series(labelled("a", "b").tolist()), ["a", "b"]),
    "polars, booleans": (pl.Series(labelled(False, True).tolist()), [False, True]),
    "polars, an enumeration": (
        pl.Series(["a", "b", "b", "a", "b"], dtype=pl.Enum("ba")),
        ["a", "b"],
    ),
}


@pytest.mark.parametrize(("y", "expected"), OF_ANY_TYPE.values(), ids=OF_ANY_TYPE)
def test_labels_of_any_type_are_zeros_and_ones_and_come_back(y, expected):
    labels = check_labels(y, 5)
    classes = Classes.of(labels)
    assert classes.plain == list(expected)
    np.testing.assert_array_equal(classes.numbers(labels), TRUTH)
    assert list(classes.named(TRUTH)) == list(y)
    assert classes.named(TRUTH[:, None] * [1, 0]).shape == (5, 2)


def test_a_column_is_a_vector_with_a_warning_and_a_table_is_refused():
    column = labelled("a", "b")[:, None]
    with pytest.warns(Warning, match="column-vector y was passed"):
        assert check_labels(column, 5).shape == (5,)
    with pytest.raises(ValueError, match="1d array"):
        check_labels(np.hstack([column, column]), 5)


BAD = {
    "one class": (["a"] * 5, ValueError, r"one class alone, 'a' in all 5 rows.*two classes"),
    "three": (
        list("abcab"),
        ValueError,
        r"Only binary.*3 classes, 'a', 'b', 'c'.*OneVsRestClassif",
    ),
    "three by spelling": (
        ["no", "Yes", "yes", "no", "no"],
        ValueError,
        r"3 classes, 'Yes', 'no', 'yes'.*'Yes' and 'yes' differ by case",
    ),
    "numbers with a fraction": ([0.5, 1.25, 0, 0, 1], ValueError, "Unknown label type: continuous"),
    "NaN": ([0, 1, np.nan, 1, 0], ValueError, "Input y contains NaN"),
    "None": (
        ["a", "b", None, "a", "b"],
        ValueError,
        r"contains NaN\. y is nan in row 2: leave out the rows",
    ),
    "NA": (pd.Series([1, 0, pd.NA, 1, 0], dtype="Int64"), ValueError, "Input y contains NaN"),
    "masked": (
        np.ma.array(TRUTH, mask=[0, 1, 0, 0, 0]),
        ValueError,
        "y is a masked array with 1 masked",
    ),
    "complex": (TRUTH + 0j, ValueError, r"^Complex data not supported, but y is complex\.$"),
    "infinite": ([0, 1, np.inf, 1, 0], ValueError, "Input y contains infinity"),
    "strings and numbers": (["a", 1, "a", 1, 1], TypeError, "y mixes kinds of labels: int, str"),
    "NaT": (pd.to_datetime(["2020", "2020", None, "2020", "2020"]), ValueError, "NaN.*in row 2"),
    "another length": (["a", "b"], ValueError, "X has 5 rows and y 2"),
    "one date": (
        pd.to_datetime(["2020"] * 5),
        ValueError,
        r"one class alone, datetime\.datetime\(2020",
    ),
}


@pytest.mark.parametrize(("y", "error", "message"), BAD.values(), ids=BAD)
def test_labels_that_cannot_be_two_classes(y, error, message):
    if isinstance(y, list) and len(set(map(type, y))) > 1:
        y = pd.Series(y)
    with pytest.raises(error, match=message):
        Classes.of(check_labels(y, 5))


def objects(first, second):
    """An array of objects, tuples as they are."""
    return pd.Series([(first, second)[k] for k in TRUTH], dtype=object).to_numpy()


TEXT = "list(map(str, y))"
TYPES = {"y.astype(bool)": bool, "y.astype(int)": int, "y.astype(float)": float}
NOT_SCORED = {
    "booleans": (objects(False, True), "bool in an array of type object", "y.astype(bool)"),
    "numpy's booleans": (objects(np.False_, np.True_), "bool", "y.astype(bool)"),
    "whole numbers": (objects(0, 1), "int in", "y.astype(int)"),
    "beyond 64 bits": (objects(10**30, 10**31), "int in", TEXT),
    "numbers": (objects(0.0, 1.0), "float in", "y.astype(float)"),
    "dates": (objects(date(2020, 1, 1), date(2021, 1, 1)), "date in", TEXT),
    "dates of a zone": (
        pd.Series(pd.to_datetime(labelled("2020-01-01", "2021-01-01"))).dt.tz_localize("UTC"),
        "Timestamp in",
        TEXT,
    ),
    "periods": (pd.PeriodIndex(labelled("2020", "2021"), freq="Y"), "Period in", TEXT),
    "intervals": (pd.cut(pd.Series(TRUTH), [-1, 0, 1]), "Interval in", TEXT),
    "tuples": (objects((0, 1), (1, 0)), "tuple in", TEXT),
    "decimals": (objects(Decimal(0), Decimal(1)), "Decimal in", TEXT),
    "categories of decimals": (
        pd.Series(pd.Categorical(objects(Decimal(0), Decimal(1)))),
        "Decimal in",
        TEXT,
    ),
    "bytes": (labelled(b"a", b"b"), r"bytes_ in an array of type \|S1", TEXT),
    "bytes as objects": (objects(b"a", b"b"), "bytes in", TEXT),
    "records": (labelled((1, 2.0), (2, 3.0), dtype="i4,f8"), "void in", TEXT),
}


@pytest.mark.parametrize(("y", "kind", "remedy"), NOT_SCORED.values(), ids=NOT_SCORED)
def test_labels_that_could_not_be_scored_are_refused_and_the_remedy_works(y, kind, remedy):
    message = rf"^Unknown label type: {kind}.*Convert the labels of y: {re.escape(remedy)}\.$"
    with pytest.raises(ValueError, match=message):
        check_labels(y, 5)
    converted = np.array(list(map(str, y))) if remedy == TEXT else y.astype(TYPES[remedy])
    classes = Classes.of(check_labels(converted, 5))
    assert accuracy_score(converted, classes.named(TRUTH)) == 1


def test_a_label_that_is_no_class_is_named():
    classes = Classes.of(labelled("left", "stayed"))
    with pytest.raises(
        ValueError,
        match=r"'Left' in row 1, which is no class.*'left', 'stayed'\. Did you mean 'left'\?",
    ):
        classes.numbers(np.array(["left", "Left"]))


def test_two_classes_that_are_one_but_for_spelling_are_warned_of():
    with pytest.warns(UserWarning, match=r"^The two classes of y: 'Yes' and 'Yes ' differ by case"):
        assert Classes.of(labelled("Yes", "Yes ")).plain == ["Yes", "Yes "]
