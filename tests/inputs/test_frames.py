"""X, y and sample_weight as a user gives them: every container, and every error."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted

from skhlm import HLMRegressor, PooledRegressor
from skhlm.inputs.design import canonical_rows, coefficient_names, learn_units
from skhlm.inputs.frames import check_fit_data, check_predict_data, check_weight
from skhlm.inputs.hierarchy import learn_groups


class LeastSquares(RegressorMixin, BaseEstimator):
    """The package's front with a least-squares fit behind it, which ignores the groups."""

    def __init__(self, groups=None):
        self.groups = groups

    def fit(self, X, y, sample_weight=None):
        self._data = data = check_fit_data(self, X, y, sample_weight, self.groups)
        coefficient_names(data.predictor_names, fit_intercept=True)
        self._groups = learn_groups(data.hierarchies, data.groups)
        codes = self._groups.codes(data.groups, len(data.y))
        rows = canonical_rows(data.predictors, data.y, data.weight, codes)
        self._units = units = learn_units(
            rows, data.predictor_names, autoscale=True, fit_intercept=True
        )
        root = np.sqrt(rows.weight)
        X, y = units.predictors(rows.X) * root[:, None], units.outcome(rows.y) * root
        self._coefficients = units.coefficient_scale * (np.linalg.pinv(X, rcond=1e-9) @ y)
        return self

    def predict(self, X):
        check_is_fitted(self)
        data = self._data
        predictors, _ = check_predict_data(self, X, data.columns, data.hierarchies)
        return self._units.y_center + self._units.centred(predictors) @ self._coefficients


@parametrize_with_checks([LeastSquares()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_scikit_learns_check_of_column_names():
    check_dataframe_column_names_consistency("LeastSquares", LeastSquares())


def make_frame(n=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "region": rng.choice(["EMEA", "APAC"], n),
            "spend": rng.normal(size=n),
            "country": rng.choice(["a", "b", "c"], n),
            "flag": rng.random(n) > 0.5,
        }
    )


FRAME = make_frame()
Y = np.random.default_rng(1).normal(size=len(FRAME))
GROUPS = "region/country"
EXPECTED = LeastSquares(GROUPS).fit(FRAME, Y)

CONTAINERS = {
    "pandas": FRAME,
    "object": FRAME.astype(object),
    "string": FRAME.astype({"region": "string", "country": "string"}),
    "nullable": FRAME.convert_dtypes(),
    "pandas arrow": FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "categorical": FRAME.astype(
        {"region": "category", "country": pd.CategoricalDtype(["z", "c", "b", "a"])}
    ),
    "polars": pl.from_pandas(FRAME),
    "polars categorical": pl.from_pandas(FRAME).cast(
        {"region": pl.Categorical, "country": pl.Enum(["z", "c", "b", "a"])}
    ),
    "pyarrow": pa.Table.from_pandas(FRAME),
    "shadowing": FRAME.rename(columns={"spend": "column_names"}),
}


@pytest.mark.parametrize("X", CONTAINERS.values(), ids=CONTAINERS)
def test_every_frame_is_read_alike(X):
    fitted = LeastSquares(GROUPS).fit(X, Y)
    assert fitted._groups.labels == EXPECTED._groups.labels
    assert fitted.n_features_in_ == 4
    assert fitted.feature_names_in_[0] == "region"
    np.testing.assert_array_equal(fitted.predict(X), EXPECTED.predict(FRAME))


def readonly_memmap(tmp_path, array):
    np.save(tmp_path / "X.npy", array)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


NUMBERS = np.column_stack([FRAME["region"] == "EMEA", FRAME["spend"], FRAME["flag"]]).astype(float)
ARRAYS = {
    "list": FRAME.to_numpy().tolist(),
    "object": FRAME.to_numpy(),
    "fortran": np.asfortranarray(FRAME.to_numpy()),
}


@pytest.mark.parametrize("X", ARRAYS.values(), ids=ARRAYS)
def test_arrays_with_groups_by_position(X):
    fitted = LeastSquares((0, 2)).fit(X, Y)
    assert fitted._groups.names == ("0", "0/2")
    assert fitted._data.predictor_names == ("x1", "x3")
    np.testing.assert_array_equal(fitted.predict(X), EXPECTED.predict(FRAME))


def test_numeric_arrays_of_every_layout_are_read_alike_and_left_alone(tmp_path):
    expected = LeastSquares(0).fit(NUMBERS, Y).predict(NUMBERS)
    readonly = readonly_memmap(tmp_path, NUMBERS)
    for X in (np.asfortranarray(NUMBERS), NUMBERS.astype(object), NUMBERS.tolist(), readonly):
        np.testing.assert_array_equal(LeastSquares(0).fit(X, Y).predict(X), expected)
    single = LeastSquares(0).fit(NUMBERS.astype(np.float32), Y).predict(NUMBERS.astype(np.float32))
    np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_inputs_are_not_changed():
    X, y, weight = make_frame(), Y.copy(), np.arange(len(Y), dtype=float)
    LeastSquares(GROUPS).fit(X, y, weight).predict(X)
    pd.testing.assert_frame_equal(X, make_frame())
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, np.arange(len(Y)))


@pytest.mark.parametrize("groups", [GROUPS, [GROUPS, "country"]])
def test_X_is_split_into_predictors_and_group_columns(groups):
    data = check_fit_data(LeastSquares(), FRAME, Y, None, groups)
    assert data.predictor_names == ("spend", "flag")
    np.testing.assert_array_equal(data.predictors, FRAME[["spend", "flag"]].astype(float))
    assert {j: column.name for j, column in data.groups.items()} == {0: "region", 2: "country"}


def test_group_columns_alone_are_enough():
    X = FRAME[["region", "country"]]
    fitted = LeastSquares(GROUPS).fit(X, Y)
    assert fitted._data.predictors.shape == (len(Y), 0)
    np.testing.assert_allclose(fitted.predict(pl.from_pandas(X)), np.mean(Y), rtol=1e-12)


def test_rows_of_weight_zero_are_as_if_never_given():
    used = (FRAME["country"] != "a").to_numpy()
    X = FRAME.assign(country=FRAME["country"].where(used, None))
    weighted = LeastSquares(GROUPS).fit(X, Y, used.astype(float))
    assert weighted._groups.labels == {0: ("APAC", "EMEA"), 2: ("b", "c")}
    np.testing.assert_array_equal(
        weighted.predict(FRAME), LeastSquares(GROUPS).fit(FRAME[used], Y[used]).predict(FRAME)
    )


OTHER = FRAME.drop(columns=["region", "country"])
WHEN = pd.Timestamp("2020-01-31")

BAD_X = {
    "no group column": (FRAME, "regoin", ValueError, r"no column 'regoin'.*mean 'region'\?"),
    "strings": (
        FRAME,
        None,
        ValueError,
        r"'region', 'country' \(could not.*OneHotEncoder.*`groups`",
    ),
    "one string": (FRAME, "region", ValueError, r"these columns are not: 'country' \("),
    "strings in an array": (FRAME.to_numpy(), 0, ValueError, r"columns are not: 2 \("),
    "polars strings": (
        pl.from_pandas(FRAME),
        "region",
        ValueError,
        r"columns are not: 'country' \(",
    ),
    "dates": (OTHER.assign(when=WHEN), None, TypeError, r"dates or times: 'when'.*days since"),
    "polars dates": (pl.DataFrame({"d": [WHEN.date()] * 40}), None, TypeError, "times: 'd'"),
    "arrow dates": (pa.table({"d": [WHEN.date()] * 40}), None, TypeError, "times: 'd'"),
    "array of dates": (np.full((40, 1), WHEN.to_datetime64()), None, TypeError, "times: 0"),
    "128 bits": (
        pl.from_pandas(FRAME).with_columns(wide=pl.lit(1, pl.Int128)),
        GROUPS,
        TypeError,
        r"but these columns are of 128: 'wide'\. Cast them to Float64 or Int64",
    ),
    "mixed names": (
        FRAME.rename(columns={"spend": 7}),
        GROUPS,
        TypeError,
        r"string names.*type int: 7\..*X.columns.astype\(str\)",
    ),
    "strings of numpy as names": (
        OTHER.set_axis(pd.Index(map(np.str_, OTHER), dtype=object), axis=1),
        None,
        TypeError,
        "names of type str_: .*Turn them into strings",
    ),
    "half a character as name": (
        OTHER.set_axis(pd.Index(["a\ud800", *OTHER.columns[1:]], dtype=object), axis=1),
        None,
        ValueError,
        r"X: the name of column 'a\\ud800' holds .* half a character",
    ),
    "dicts": (np.full((40, 2), {}, dtype=object), 0, TypeError, r"not: 1 \(.*must be a string or"),
    "nan": (
        FRAME.assign(spend=FRAME["spend"].where(FRAME.index >= 3)),
        GROUPS,
        ValueError,
        r"^Input X contains NaN\. Columns: 'spend': 3 rows\. Drop [^\n]*SimpleImputer\.$",
    ),
    "nan in an array": (
        np.where(np.arange(120).reshape(40, 3) == 4, np.nan, NUMBERS),
        0,
        ValueError,
        r"^Input X contains NaN\. Columns: 1: 1 row\. Drop",
    ),
    "nullable": (
        OTHER.assign(z=pd.array([None] * 40, "Int64")),
        None,
        ValueError,
        "X contains NaN. Columns: 'z': 40 rows",
    ),
    "inf": (
        FRAME.assign(spend=np.inf, flag=np.inf),
        GROUPS,
        ValueError,
        r"^Input X contains infinity or .*\. Columns: 'spend': 40 rows, 'flag': 40 rows\. Drop",
    ),
    "polars nan": (
        pl.from_pandas(OTHER).with_columns(z=pl.lit(None, pl.Float64)),
        None,
        ValueError,
        "X contains NaN. Columns: 'z': 40 rows",
    ),
    "twice": (OTHER.set_axis(["a", "a"], axis=1), None, ValueError, "the same name: 'a'. Rename"),
    "twice, groups": (OTHER.set_axis(["a", "a"], axis=1), "a", ValueError, "the same name: 'a'"),
    "no rows": (FRAME.iloc[:0], GROUPS, ValueError, r"0 sample\(s\) \(shape=\(0, 2\)\)"),
    "one row": (FRAME.iloc[:1], GROUPS, ValueError, r"1 sample\(s\).*minimum of 2 is required"),
    "no columns": (FRAME[[]], None, ValueError, r"0 feature\(s\) \(shape=\(40, 0\)\)"),
    "no array columns": (np.empty((40, 0)), 0, ValueError, r"0 feature\(s\)"),
    "sparse": (sparse.csr_array(NUMBERS), 0, TypeError, "Sparse data was passed for X"),
    "complex": (NUMBERS * 1j, 0, ValueError, "Complex data not supported"),
    "1-D": (NUMBERS[:, 0], 0, ValueError, "Expected 2D array, got 1D array"),
    "list of numbers": ([1.0, 2.0], 0, ValueError, "Expected 2D array, got 1D array"),
    "series": (FRAME["spend"], "spend", ValueError, "Expected a 2-dimensional container"),
    "3-D": (NUMBERS[:, :, None], 0, ValueError, "dim 3"),
    "lazy": (pl.LazyFrame(OTHER), None, TypeError, r"lazy frame.*X.collect\(\)"),
    "missing group": (FRAME.assign(region=None), GROUPS, ValueError, r"'region': 40"),
    "beyond floats": (OTHER * 1e200, None, ValueError, "predictor 'spend' are out of range"),
}


@pytest.mark.parametrize(("X", "groups", "error", "message"), BAD_X.values(), ids=BAD_X)
def test_an_X_that_cannot_be_fitted(X, groups, error, message):
    with pytest.raises(error, match=message):
        LeastSquares(groups).fit(X, Y)


_YES_NO = r"y holds yes/no values \(bool\).*HLMClassifier.*y\.astype\(float\)"
YES_OR_NO = {
    "array": Y > 0,
    "list": (Y > 0).tolist(),
    "column": (Y > 0)[:, None],
    "objects": (Y > 0).astype(object),
    "objects and None": [None, *(Y[1:] > 0).tolist()],
    "series": pd.Series(Y > 0),
    "frame": pd.DataFrame({"y": Y > 0}),
    "nullable": pd.Series(Y > 0, dtype="boolean"),
    "nullable with NA": pd.Series([None, *(Y[1:] > 0)], dtype="boolean"),
    "categories": pd.Series(Y > 0).astype("category"),
    "polars": pl.Series(Y > 0),
    "arrow": pa.array(Y > 0),
}

BAD_Y = {
    "none": (None, ValueError, "requires y to be passed"),
    "short": (Y[:-1], ValueError, "inconsistent numbers of samples"),
    "nan": (np.where(Y > 0, Y, np.nan), ValueError, "Input y contains NaN"),
    "none among objects": ([1.0, None] * 20, ValueError, "Input y contains NaN"),
    "2-D": (np.column_stack([Y, Y, Y]), ValueError, r"1d array.*instead\.$"),
    "two columns": (
        np.column_stack([Y, Y]),
        ValueError,
        r"1d array.*family='binomial' takes the shares, y = successes / trials, with the trials as",
    ),
    "text": (["a"] * 40, ValueError, "could not convert string to float"),
    "dates": (np.full(40, WHEN.to_datetime64()), TypeError, "y must hold numbers"),
    "beyond floats": (Y * 1e200, ValueError, "values of y are out of range"),
    "complex": (Y + 0j, ValueError, r"^Complex data not supported, but y is complex\.$"),
    "128 bits": (pl.Series([1] * 40, dtype=pl.Int128), TypeError, "y holds integers of 128 bits"),
    "128 bits, unsigned": (pl.Series([1] * 40, dtype=pl.UInt128), TypeError, "y holds integers"),
    "128 bits, a column": (pl.DataFrame({"y": [1] * 40}, {"y": pl.Int128}), TypeError, "y holds i"),
    **{f"yes or no, {kind}": (y, TypeError, _YES_NO) for kind, y in YES_OR_NO.items()},
}


@pytest.mark.parametrize(("y", "error", "message"), BAD_Y.values(), ids=BAD_Y)
def test_a_y_that_cannot_be_fitted(y, error, message):
    with pytest.raises(error, match=message):
        LeastSquares(GROUPS).fit(FRAME, y)


BAD_WEIGHTS = {
    "zero": (np.zeros(40), "at least one non-zero number"),
    "negative": (-np.ones(40), "Negative values"),
    "nan": (np.full(40, np.nan), "sample_weight contains NaN"),
    "short": (np.ones(39), r"sample_weight.shape == \(39,\)"),
    "beyond floats": (np.full(40, 1e308), "sum of sample_weight is too large"),
    "one row": (np.eye(40)[3], "Only 1 sample has a sample_weight above zero, and 2 are needed"),
}


@pytest.mark.parametrize(("weight", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_weights_that_cannot_be_used(weight, message):
    with pytest.raises(ValueError, match=message):
        LeastSquares(GROUPS).fit(FRAME, Y, weight)


REORDERED = FRAME[["country", "region", "spend", "flag"]]
BAD_AT_PREDICT = {
    "reordered": (REORDERED, GROUPS, "must be in the same order as they were in fit"),
    "missing": (FRAME.drop(columns="country"), GROUPS, "(?s)now missing.*country"),
    "extra": (FRAME.assign(z=1.0), GROUPS, "(?s)unseen at fit time.*z"),
    "array": (FRAME.to_numpy(), GROUPS, "X has no column names, but `groups` names columns"),
    "numbers as names": (FRAME.set_axis(range(4), axis=1), GROUPS, "no column names"),
    "narrow array": (FRAME.to_numpy()[:, :3], (0, 2), "X has 3 features, but LeastSquares is"),
    "nan": (FRAME.assign(spend=np.nan), GROUPS, r"^Input X contains NaN\. Columns: 'spend': 40 r"),
    "strings": (FRAME.assign(spend="a"), GROUPS, "columns are not: 'spend'"),
}


@pytest.mark.parametrize(("X", "groups", "message"), BAD_AT_PREDICT.values(), ids=BAD_AT_PREDICT)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_an_X_that_cannot_be_predicted(X, groups, message):
    with pytest.raises(ValueError, match=message):
        LeastSquares(groups).fit(FRAME, Y).predict(X)


def test_an_array_after_a_frame_is_only_a_warning_where_groups_are_positions():
    fitted = LeastSquares((0, 2)).fit(FRAME, Y)
    assert fitted._groups.names == ("region", "region/country")
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        prediction = fitted.predict(FRAME.to_numpy())
    np.testing.assert_array_equal(prediction, fitted.predict(FRAME))


def test_an_index_in_another_order_is_warned_of():
    y = pd.Series(Y, index=FRAME.index[::-1])
    with pytest.warns(
        UserWarning, match=r"same index labels in different orders.*y.loc\[X.index\]"
    ):
        LeastSquares(GROUPS).fit(FRAME, y)
    LeastSquares(GROUPS).fit(FRAME, pd.Series(Y))
    LeastSquares(GROUPS).fit(FRAME, pd.Series(Y, index=range(100, 140)))


def test_the_warning_of_the_index_points_at_the_caller_of_fit():
    y = pd.Series(np.nan, index=FRAME.index[::-1])  # so that fit goes no further
    with (
        pytest.warns(UserWarning, match="same index labels") as caught,
        pytest.raises(ValueError, match="Input y contains NaN"),
    ):
        HLMRegressor(GROUPS).fit(FRAME, y)
    assert [warning.filename for warning in caught] == [__file__]


def test_an_index_of_several_levels_beside_a_plain_one_is_no_error():
    both = FRAME.set_index(["region", "country"], drop=False)
    learned = LeastSquares(GROUPS).fit(both, pd.Series(Y))
    LeastSquares(GROUPS).fit(FRAME, pd.Series(Y, index=both.index))
    np.testing.assert_array_equal(
        learned.predict(both), LeastSquares(GROUPS).fit(FRAME, Y).predict(FRAME)
    )


@pytest.mark.parametrize("weight", [[1e30, 1, 1, 1], [1e300] * 4, [1e-320] * 4, [1, 1, 1, 1e-13]])
def test_weights_whose_sums_lose_digits_are_an_error(weight):
    with pytest.raises(ValueError, match=r"sample_weight counts .* Rescale them"):
        check_weight(np.array(weight), np.zeros((4, 1)))


def test_weights_of_many_sizes_are_none():
    weight = np.array([0, 1e-6, 1.0, 1e5])
    np.testing.assert_array_equal(check_weight(weight, np.zeros((4, 1))), weight)


@pytest.mark.parametrize("argument", ["X", "y", "sample_weight"])
def test_masked_entries_are_missing_values(argument):
    given = {"X": np.arange(12.0).reshape(6, 2), "y": np.arange(6.0), "sample_weight": np.ones(6)}
    PooledRegressor().fit(**given | {argument: np.ma.array(given[argument])})
    masked = np.ma.array(given[argument])
    masked[2] = np.ma.masked
    with pytest.raises(ValueError, match=rf"{argument} is a masked array with \d masked entries"):
        PooledRegressor().fit(**given | {argument: masked})


def test_zeros_and_ones_are_numbers():
    shares = LeastSquares(GROUPS).fit(FRAME, (Y > 0).astype(float)).predict(FRAME)
    for y in ((Y > 0).astype(int), (Y > 0).astype(np.int8), [float(Y[0] > 0), *(Y[1:] > 0)]):
        np.testing.assert_array_equal(LeastSquares(GROUPS).fit(FRAME, y).predict(FRAME), shares)


def test_a_row_of_weight_two_is_two_rows():
    weight = 2 * np.eye(40)[3]
    assert check_weight(weight, NUMBERS).tolist() == weight.tolist()
    assert LeastSquares(GROUPS).fit(FRAME, Y, weight)._data.weight.tolist() == [2.0]


@pytest.mark.parametrize("fill", [0.0, np.nan, 1.0])
def test_sparse_columns_are_read_as_dense_ones(fill):
    dense = FRAME.assign(spend=FRAME["spend"].round(), extra=np.arange(40.0) % 3)
    sparse_one = dense.assign(spend=pd.arrays.SparseArray(dense["spend"], fill_value=fill))
    numbers = dense[["spend", "extra"]]
    all_sparse = numbers.astype(pd.SparseDtype(float, fill))
    for X, same, groups in ((sparse_one, dense, GROUPS), (all_sparse, numbers, None)):
        found = LeastSquares(groups).fit(X, Y)
        expected = LeastSquares(groups).fit(same, Y)
        np.testing.assert_array_equal(found._data.predictors, expected._data.predictors)
        np.testing.assert_array_equal(found.predict(X), expected.predict(same))


BERLIN = ZoneInfo("Europe/Berlin")
TWICE = [dt.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1)]
GROUP_COLUMNS = {
    "arrow whole": (pa.table({"g": pa.array([2**53 + 1, None], pa.int64())}), [2**53 + 1]),
    "arrow long": (pa.table({"g": pa.array([2**64 - 1, None], pa.uint64())}), [2**64 - 1]),
    "arrow zone": (pa.table({"g": pa.array(TWICE, pa.timestamp("us", "Europe/Berlin"))}), TWICE),
    "arrow dictionary": (
        pa.table({"g": pa.array(TWICE, pa.timestamp("us", "Europe/Berlin")).dictionary_encode()}),
        TWICE,
    ),
    "arrow words": (pa.table({"g": pa.array(["b", None]).dictionary_encode()}), ["b"]),
    "polars whole": (pl.DataFrame({"g": [2**53 + 1, None]}), [2**53 + 1]),
    "polars long": (
        pl.DataFrame({"g": pl.Series([2**64 - 1, None], dtype=pl.UInt64)}),
        [2**64 - 1],
    ),
    "polars longest": (pl.DataFrame({"g": pl.Series([2**100, None], dtype=pl.Int128)}), [2**100]),
    "polars zone": (pl.DataFrame({"g": TWICE}), TWICE),
    "polars day": (pl.DataFrame({"g": [dt.date(2020, 1, 1), None]}), [dt.datetime(2020, 1, 1)]),
    "polars text": (pl.DataFrame({"g": ["b", None]}), ["b"]),
}


@pytest.mark.parametrize(("frame", "values"), GROUP_COLUMNS.values(), ids=GROUP_COLUMNS)
def test_group_columns_of_other_frames_hold_what_they_say(frame, values):
    (column,) = check_fit_data(HLMRegressor(), frame, [1.0, 2.0], None, "g").groups.values()
    assert [*map(_instant, column.values)] == [*map(_instant, values)]
    assert [*map(type, column.values)] == [*map(type, values)]


def _instant(value):
    """A date with a zone as its instant: its clocks may show the same twice."""
    aware = isinstance(value, dt.datetime) and value.tzinfo
    return value.astimezone(dt.timezone.utc) if aware else value
