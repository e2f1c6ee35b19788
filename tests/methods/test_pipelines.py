"""Curves over the input columns of pipelines: predictions of moved rows, the chain rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skhlm import HLMRegressor, response_curve


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


def test_the_grid_is_the_range_of_the_rows_given(pipeline, data):
    X = data[0].sort_values("spend").iloc[[0, 100, -1]]
    curve = response_curve(pipeline, X, "spend")
    assert len(curve) == 3 * 50
    assert not curve["extrapolated"].any()
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


@pytest.mark.parametrize(
    "estimator", [LinearRegression(), TransformedTargetRegressor(HLMRegressor())]
)
def test_estimators_without_curves(estimator):
    with pytest.raises(TypeError, match="must be an HLMRegressor or a Pipeline that ends in one"):
        response_curve(estimator, None, "spend")


def test_bad_arguments(pipeline, data):
    with pytest.raises(ValueError, match="X: give rows"):
        response_curve(pipeline, None, "spend")
    with pytest.raises(TypeError, match="X must hold rows, got 'spend'"):
        response_curve(pipeline, "spend")
    with pytest.raises(ValueError, match="X has no column 'log'"):
        response_curve(pipeline, data[0], "log")
