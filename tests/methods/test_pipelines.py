"""Curves over the input columns of pipelines: predictions of moved rows, the chain rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skhlm import GroupMeans, HLMRegressor, response_curve

# The mode is all that these tests look at, whatever the Pareto k of the draws about it.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='map' did not")


def add_logarithms(X):
    """Logarithm of spend and its square in its place."""
    log = np.log1p(X["spend"])
    return X.drop(columns="spend").assign(log=log, log2=log**2)


@pytest.fixture(scope="module")
def data():
    """Returns that saturate, in four countries."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"country": np.tile(list("abcd"), 50), "spend": rng.gamma(2, 5, 200)})
    effect = X["country"].map({"a": 0.5, "b": 1.0, "c": 1.5, "d": 3.0})
    return X, 2 + effect * np.log1p(X["spend"]) + rng.normal(0, 0.3, 200)


@pytest.fixture(scope="module")
def pipeline(data):
    model = HLMRegressor("country", algorithm="map", random_state=0)
    return make_pipeline(FunctionTransformer(add_logarithms), model).fit(*data)


@pytest.mark.parametrize("kind", ["mean", "outcome"])
def test_a_curve_is_the_prediction_of_moved_rows(pipeline, data, kind):
    X = data[0].head(3).copy()
    X.loc[2, "country"] = "new"
    curve = response_curve(pipeline, X, "spend", [1.0, 5.0], coverage=0.8, kind=kind)
    names = ["row", "country", "spend", "mean", "lower", "upper", "extrapolated"]
    assert list(curve.columns) == names
    assert curve["country"].tolist() == ["a", "a", "b", "b", "new", "new"]
    rows = X.loc[X.index.repeat(2)].assign(spend=[1.0, 5.0] * 3)
    assert np.array_equal(curve["mean"], pipeline.predict(rows))
    interval = pipeline[-1].predict_interval(add_logarithms(rows), 0.8, kind)
    assert np.array_equal(curve[["lower", "upper"]], interval)


@pytest.mark.parametrize("spend", [3.0, 1e4, -0.5])
def test_the_grid_is_the_training_range(pipeline, data, spend):
    """Of one row as well, wherever it is."""
    X = data[0]
    curve = response_curve(pipeline, X.head(1).assign(spend=spend), "spend")
    assert len(curve) == 50
    assert not curve["extrapolated"].any()
    ends = curve["spend"].agg(["min", "max"])
    np.testing.assert_allclose(ends, X["spend"].agg(["min", "max"]), rtol=1e-6)
    far = response_curve(pipeline, X.head(1), "spend", [X["spend"].max() * 1.01])
    assert far["extrapolated"].all()


def test_slopes_are_those_of_the_chain_rule(pipeline, data):
    X, grid = data[0].head(2), np.array([1.0, 4.0, 20.0])
    curve = response_curve(pipeline, X, "spend", grid, slope=True)

    def derive(spend):
        log = np.log1p(spend)
        return {"log": log, "log2": log**2}

    rows = add_logarithms(X)
    expected = pipeline[-1].response_curve(rows, "spend", grid, slope=True, derive=derive)
    numbers = ["mean", "lower", "upper", "slope", "slope_lower", "slope_upper"]
    np.testing.assert_allclose(curve[numbers], expected[numbers], rtol=1e-6, atol=1e-8)
    beta = pipeline[-1].coefficients(X[["country"]]).pivot(columns="coefficient", values="mean")
    log, log2 = beta["log"].dropna().to_numpy(), beta["log2"].dropna().to_numpy()
    slope = (log[:, None] + 2 * np.log1p(grid) * log2[:, None]) / (1 + grid)
    np.testing.assert_allclose(curve["slope"].to_numpy().reshape(2, 3)[:, 1], slope[:, 1], 1e-6)


def test_a_pipeline_of_arrays(data):
    X, y = data
    X = np.column_stack([X["country"].map(ord), X["spend"]]).astype(float)
    scaler = ColumnTransformer([("country", "passthrough", [0]), ("spend", StandardScaler(), [1])])
    model = HLMRegressor(0, algorithm="map", random_state=0)
    pipeline = make_pipeline(scaler, model).fit(X, y)
    curve = response_curve(pipeline, X[:2], 1, [2.0, 3.0])
    rows = np.repeat(X[:2], 2, axis=0)
    rows[:, 1] = [2.0, 3.0, 2.0, 3.0]
    assert np.array_equal(curve["mean"], pipeline.predict(rows))


def test_a_pipeline_of_polars_frames(data):
    X, y = data
    steps = FunctionTransformer(lambda frame: frame.with_columns(spend=frame["spend"].log1p()))
    model = HLMRegressor("country", algorithm="map", random_state=0)
    pipeline = make_pipeline(steps, model).fit(pl.DataFrame(X.to_dict("list")), y.to_numpy())
    rows = pl.DataFrame({"country": ["a", "b"], "spend": [0.0, 0.0]})
    curve = response_curve(pipeline, rows, "spend", [2.0])
    moved = pl.DataFrame({"country": ["a", "b"], "spend": [2.0, 2.0]})
    assert np.array_equal(curve["mean"], pipeline.predict(moved))


def test_a_model_alone(fitted, campaigns):
    X = campaigns[0].head(2)
    curve = response_curve(fitted, X, "spend_1", slope=True)
    assert curve.equals(fitted.response_curve(X, "spend_1", slope=True))


def test_estimators_without_curves(data):
    X, y = data
    linear = LinearRegression().fit(X[["spend"]], y)
    with pytest.raises(TypeError, match="must be an HLMRegressor, got LinearRegression"):
        response_curve(make_pipeline(linear), X[["spend"]], "spend")
    with pytest.raises(NotFittedError):
        response_curve(TransformedTargetRegressor(HLMRegressor()), X, "spend")


def test_bad_arguments(pipeline, data):
    with pytest.raises(ValueError, match="X: give rows"):
        response_curve(pipeline, None, "spend")
    with pytest.raises(TypeError, match="X must hold rows, got 'spend'"):
        response_curve(pipeline, "spend")
    with pytest.raises(ValueError, match=r"'coverage' parameter of .*response_curve must be"):
        response_curve(pipeline, data[0], "spend", coverage=90)
    with pytest.raises(ValueError, match="feature: there is no column 'log' in X"):
        response_curve(pipeline, data[0], "log")


@pytest.fixture(scope="module")
def sales():
    """Whole numbers of price, months whose level differs, six shops; sums of squares are small."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame(
        {
            "shop": np.repeat(np.arange(6), 40),
            "price": rng.integers(0, 10, 240),
            "month": np.tile(np.arange(1, 13), 20),
        }
    )
    return X, 2.0 * X["price"] + X["month"] % 3 + 5 * X["shop"] + rng.normal(size=240) * 0.1


def as_is(model, X, y):
    return make_pipeline(FunctionTransformer(), model).fit(X, y)


TABLES = {
    "int64": lambda X: X,
    "uint8": lambda X: X.astype("uint8"),
    "float16": lambda X: X.astype("float16"),
    "float32": lambda X: X.astype("float32"),
    "nullable": lambda X: X.astype("Int64"),
    "objects": lambda X: X.astype(object),
    "array of int8": lambda X: X.to_numpy("int8"),
    "array of float32": lambda X: X.to_numpy("float32"),
    "array of objects": lambda X: X.to_numpy(object),
    "array of text": lambda X: X.to_numpy().astype(str),
    "rows of lists": lambda X: X.to_numpy().tolist(),
    "polars": lambda X: pl.DataFrame(X.to_dict("list"), schema=dict.fromkeys(X, pl.Int8)),
    "pyarrow": lambda X: pa.Table.from_pandas(X),
}


@pytest.mark.parametrize("table", TABLES)
def test_curves_are_float64_whatever_comes_in(sales, table):
    """Between whole numbers, below zero, beyond the largest of the type; slopes by small steps."""
    X, y = sales
    X, y, grid = X[["shop", "price"]], y - sales[0]["month"] % 3, [-1.0, 0.5, 300.0]
    named = table in ("int64", "uint8", "float16", "float32", "nullable", "objects")
    named |= table in ("polars", "pyarrow")
    model = HLMRegressor("shop" if named else 0, family="normal", algorithm="map", random_state=0)
    expected = model.fit(X.to_numpy(float), y) if not named else model.fit(X, y)
    rows = X.head(1) if named else X.head(1).to_numpy(float)
    expected = expected.response_curve(rows, 1, grid, slope=True)
    given = TABLES[table](X)
    curve = response_curve(as_is(model, given, y), given[:1], 1, grid, slope=True)
    numbers = ["mean", "lower", "upper", "slope", "slope_lower", "slope_upper"]
    np.testing.assert_allclose(curve[numbers], expected[numbers], rtol=1e-8)
    assert curve["extrapolated"].tolist() == [True, False, True]
    ends = response_curve(as_is(model, given, y), given[:1], 1).iloc[[0, -1], 2]
    np.testing.assert_allclose(ends.astype(float), [0, 9], atol=1e-6)


def test_identifiers_beside_the_input_keep_their_digits(sales):
    X, y = sales
    X = np.column_stack([2**60 + X["shop"], X["price"]])
    model = HLMRegressor(0, family="normal", algorithm="map", random_state=0)
    pipeline = as_is(model, X, y)
    curve = response_curve(pipeline, X[[0, -1]], 1, [0.5])
    assert curve["0"].tolist() == [2**60, 2**60 + 5]
    assert curve["mean"].diff().iloc[-1] == pytest.approx(25, abs=0.5)


@pytest.mark.parametrize("unknown", ["error", "ignore"])
@pytest.mark.parametrize("kind", ["number", "text", "category", "array", "behind an imputer"])
def test_categories_are_the_grid_and_slopes_are_differences(sales, unknown, kind):
    X, y = sales
    encoder = OneHotEncoder(drop="first", sparse_output=False, handle_unknown=unknown)
    if kind == "text":
        X = X.assign(month=X["month"].map("m{:02d}".format))
    if kind == "category":
        X = X.assign(month=X["month"].astype(str).astype("category"))
    month = make_pipeline(SimpleImputer(), encoder) if kind == "behind an imputer" else encoder
    steps = make_column_transformer((month, [2]), remainder="passthrough")
    if kind == "array":
        X = X.to_numpy()
    model = HLMRegressor(-2, varying="intercept", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(steps, model).fit(X, y)
    curve = response_curve(pipeline, X[:1], 2, slope=True)
    assert len(curve) == 12
    assert not curve["extrapolated"].any()
    months = curve.iloc[:, 2].astype(str).str.strip("m").astype(float)
    assert sorted(months) == list(range(1, 13))
    level = curve["mean"] - curve["mean"].iloc[0]
    np.testing.assert_allclose(curve["slope"], level, atol=1e-12)
    np.testing.assert_allclose(level, months % 3 - months.iloc[0] % 3, atol=0.2)  # 7 sd of y's mean
    assert curve["slope_lower"].iloc[0] == curve["slope_upper"].iloc[0] == 0
    assert (curve["slope_lower"].iloc[1:] < curve["slope"].iloc[1:]).all()
    if unknown == "ignore" and kind != "category":
        other = "m13" if kind == "text" else 13
        with pytest.warns(UserWarning, match="Found unknown categories"):
            assert response_curve(pipeline, X[:1], 2, [other])["extrapolated"].all()
    three = response_curve(pipeline, X[:1], 2, curve.iloc[[0, 1, 5], 2].tolist(), slope=True)
    assert three["mean"].tolist() == curve["mean"].iloc[[0, 1, 5]].tolist()


def test_booleans_and_types_with_categories(sales):
    X, y = sales
    X = X[["shop", "price"]].assign(promoted=X["month"] > 6, size=pd.Categorical(["S", "L"] * 120))
    y = y + 3 * X["promoted"]

    def encode(X):
        return X.assign(size=X["size"].cat.codes)  # which needs the type

    model = HLMRegressor("shop", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(FunctionTransformer(encode), model).fit(X, y)
    curve = response_curve(pipeline, X.head(1), "promoted", slope=True)
    assert curve["promoted"].tolist() == [False, True]
    assert curve["slope"].iloc[1] == pytest.approx(3, abs=0.3)
    sizes = response_curve(pipeline, X.head(1), "size")
    assert sizes["size"].tolist() == ["L", "S"]
    assert sizes["mean"].iloc[1] == pytest.approx(pipeline.predict(X.head(1))[0])
    with pytest.raises(ValueError, match=r"grid: 'XL' is no category of 'size'. .* 'L', 'S'"):
        response_curve(pipeline, X.head(1), "size", ["S", "XL"])
    for grid in ([], ["S", None]):
        with pytest.raises(ValueError, match="grid must be a list of values of 'size'"):
            response_curve(pipeline, X.head(1), "size", grid)


def test_categories_have_the_order_of_their_type(sales):
    X, y = sales
    X = X.assign(size=pd.Categorical(["S", "M", "L"] * 80, ["S", "M", "L"], ordered=True))
    encoder = OneHotEncoder(drop="first", sparse_output=False)
    steps = make_column_transformer((encoder, ["size"]), ("passthrough", ["shop"]))
    model = HLMRegressor(-1, varying="intercept", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(steps, model).fit(X, y)
    assert response_curve(pipeline, X.head(1), "size")["size"].tolist() == ["S", "M", "L"]


def test_where_no_grid_can_be_told(sales):
    X, y = sales
    X = X.assign(text=np.where(X["month"] > 6, "late", "early"))

    def encode(X):
        return X.assign(text=(X["text"] == "late") * 1.0, month=np.sin(np.pi / 2 * X["month"]))

    model = HLMRegressor("shop", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(FunctionTransformer(encode), model).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 'early' alone\. Give the values"):
        response_curve(pipeline, X.head(1), "text")
    assert response_curve(pipeline, X, "text")["text"].unique().tolist() == ["early", "late"]
    with pytest.raises(ValueError, match="the training range of 'month' does not show"):
        response_curve(pipeline, X.head(1), "month")
    assert response_curve(pipeline, X.iloc[[0, 4, 2]], "month")["month"].max() == 5
    with pytest.raises(ValueError, match="feature: 'shop' decides what 'shop' is, a group column"):
        response_curve(pipeline, X.head(1), "shop", [0, 1])


def test_missing_values_are_no_part_of_a_grid(sales):
    X, y = sales
    X = X.astype({"price": float})
    X.loc[::7, "price"] = np.nan
    steps = make_column_transformer(
        (SimpleImputer(), ["price"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = HLMRegressor("shop", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(steps, model).fit(X, y)
    for rows in (X.head(1), X.iloc[1:3], X):
        ends = response_curve(pipeline, rows, "price").iloc[[0, -1], 2]
        np.testing.assert_allclose(ends, [0, 9], atol=1e-6)


class Logarithm(TransformerMixin, BaseEstimator):
    """A step that keeps nothing."""

    def fit(self, *_):
        return self

    def transform(self, X):
        return X.assign(spend=np.log1p(X["spend"]))


def test_wrappers_show_the_curve_of_the_model_inside(data):
    X, y = data
    model = HLMRegressor("country", family="normal", algorithm="map", random_state=0)
    pipeline = make_pipeline(Logarithm(), model)
    search = GridSearchCV(pipeline, {"hlmregressor__fit_intercept": [True]}, cv=2)
    plain = response_curve(pipeline.fit(X, y), X.head(2), "spend", slope=True)
    searched = response_curve(search.fit(X, y), X.head(2), "spend", slope=True)
    pd.testing.assert_frame_equal(searched, plain)
    inner = GridSearchCV(model, {"fit_intercept": [True]}, cv=2)
    ends_in_search = make_pipeline(Logarithm(), inner).fit(X, y)
    pd.testing.assert_frame_equal(
        response_curve(ends_in_search, X.head(2), "spend", slope=True), plain
    )


def test_transformed_targets_are_transformed_back(data):
    X, y = data
    model = HLMRegressor("country", family="normal", algorithm="map", random_state=0)
    target = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)
    pipeline = make_pipeline(Logarithm(), target).fit(X, y)
    curve = response_curve(pipeline, X.head(2), "spend", [1.0, 5.0])
    rows = X.head(2).loc[[0, 0, 1, 1]].assign(spend=[1.0, 5.0] * 2)
    np.testing.assert_allclose(curve["median"], pipeline.predict(rows))
    ends = model.fit(Logarithm().transform(X), np.log(y)).predict_interval(
        Logarithm().transform(rows), kind="mean"
    )
    np.testing.assert_allclose(curve[["lower", "upper"]], np.exp(ends), rtol=1e-6)
    with pytest.raises(ValueError, match="slope: the model's y is transformed"):
        response_curve(pipeline, X.head(2), "spend", [1.0], slope=True)


@pytest.fixture(scope="module")
def within(data):
    """Spend, its logarithm's means by country, in a pipeline that an outer one holds."""
    X, y = data
    steps = make_pipeline(Logarithm(), GroupMeans("country", "spend"), StandardScaled())
    model = HLMRegressor(
        "country", varying="intercept", family="normal", algorithm="map", random_state=0
    )
    return make_pipeline(steps, model).fit(X, y)


class StandardScaled(TransformerMixin, BaseEstimator):
    """A step behind that does not know which columns are means."""

    def fit(self, X, _=None):
        self.mean_ = X.mean(numeric_only=True)
        return self

    def transform(self, X):
        return X.assign(**(X[self.mean_.index] - self.mean_))


@pytest.mark.parametrize("unseen", ["rows", "parent"])
def test_curves_move_within_the_group_and_hold_its_mean(within, data, unseen):
    """Of known and new countries, and where it is missing, in whatever rows and over any grid."""
    within[0][1].set_params(unseen=unseen)
    X = data[0].head(6).assign(country=["a", "b", "new", "new", "other", None])
    curve = response_curve(within, X, "spend", [1.0, 5.0, 20.0], slope=True)
    rows = within[0].transform(X)
    grid = np.log1p([1.0, 5.0, 20.0]) - within[0][2].mean_["spend"]
    expected = within[-1].response_curve(rows, "spend", grid, slope=True)
    numbers = ["mean", "lower", "upper"]
    np.testing.assert_allclose(curve[numbers], expected[numbers], rtol=1e-9)
    chain = expected["slope"] / (1 + curve["spend"])
    np.testing.assert_allclose(curve["slope"], chain, rtol=1e-6)
    for row in range(6):
        here = response_curve(within, X, "spend", [X["spend"].iloc[row]])
        assert here["mean"].iloc[row] == pytest.approx(within.predict(X)[row], rel=1e-9)


def test_the_training_range_is_that_of_the_input_beside_its_mean(within, data):
    X = data[0]
    for rows in (X.head(1), X.head(2).assign(country="new")):
        curve = response_curve(within, rows, "spend")
        assert not curve["extrapolated"].any()
        ends = curve["spend"].agg(["min", "max"])
        np.testing.assert_allclose(ends, X["spend"].agg(["min", "max"]), rtol=1e-6)


def test_means_need_the_values_that_rows_have(within, data):
    X = data[0].head(2).assign(spend=[np.nan, 2.0])
    with pytest.raises(ValueError, match="Columns: 'spend': 1 row"):
        response_curve(within, X, "spend", [1.0])
