"""Differences between points of each row's own curve, against predictions and averages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import HLMRegressor, average_difference, compare_points

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")

NUMBERS = ["start", "end", "difference", "lower", "upper", "probability", "extrapolated"]
FOUND = ["difference", "lower", "upper", "probability"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": np.repeat(list("abcdef"), 20), "spend": rng.gamma(3, 1, 120)})
    X["day"] = np.tile(["Mo", "Sa"], 60)
    y = 1 + np.log(X["spend"]) + (X["day"] == "Sa") + rng.normal(0, 0.3, 120)
    return X, y


def to_predictors(X):
    return X.assign(log=np.log(X["spend"]), day=(X["day"] == "Sa") * 1.0).drop(columns="spend")


def derived(spend):
    return {"log": np.log(spend)}


@pytest.fixture(scope="module", params=["normal", "poisson"])
def pipeline(request, data):
    X, y = data
    model = HLMRegressor("shop", family=request.param, algorithm="laplace", random_state=0)
    outcome = y if request.param == "normal" else np.round(np.exp(y))
    return make_pipeline(FunctionTransformer(to_predictors), model).fit(X, outcome)


@pytest.fixture
def rows(data):
    X = data[0].iloc[::17].reset_index(drop=True)
    X.loc[1, "shop"] = "new"
    return X


def test_double_what_each_row_has(pipeline, rows):
    """As a factor, a function, an array; against predictions, and averages over single rows."""
    found = compare_points(pipeline, rows, "spend", factor=2)
    assert found.columns.tolist() == ["row", "shop", *NUMBERS]
    for end in (lambda spend: 2 * spend, 2 * rows["spend"], (2 * rows["spend"]).tolist()):
        pd.testing.assert_frame_equal(compare_points(pipeline, rows, "spend", end=end), found)
    np.testing.assert_array_equal(found["start"], rows["spend"])
    np.testing.assert_array_equal(found["end"], 2 * rows["spend"])
    twice = rows.assign(spend=2 * rows["spend"])
    expected = pipeline.predict(twice) - pipeline.predict(rows)
    np.testing.assert_allclose(found["difference"], expected, rtol=1e-9)
    for i in (0, 3):
        one = average_difference(pipeline, rows.iloc[[i]], "spend", factor=2)
        np.testing.assert_allclose(found.loc[i, FOUND].astype(float), one[FOUND].iloc[0])


@pytest.mark.parametrize("kind", ["mean", "link"])
def test_the_model_s_method_says_the_same(pipeline, rows, kind):
    """By a derived input, by the predictor, and between numbers, as it always did."""
    through = compare_points(pipeline, rows, "spend", start=1, factor=3, kind=kind)
    X = to_predictors(rows).assign(spend=rows["spend"])
    method = pipeline[-1].compare_points
    alone = method(X, "spend", start=[1.0] * len(X), factor=3, derive=derived, kind=kind)
    numbers = [name for name in NUMBERS if name != "extrapolated"]
    np.testing.assert_allclose(alone[numbers], through[numbers])
    pd.testing.assert_frame_equal(
        method(X, "spend", start=1.0, end=3.0, derive=derived, kind=kind), alone
    )
    own = to_predictors(rows)
    moved = method(own, "log", start=lambda log: 0 * log, end=np.log(3), kind=kind)
    np.testing.assert_allclose(moved[FOUND], through[FOUND])
    same = method(own, "log", start=0.0, end=np.log(3), kind=kind)
    np.testing.assert_allclose(same[FOUND], through[FOUND])


def test_extrapolation_is_told_row_by_row(pipeline, rows):
    found = compare_points(pipeline, rows.assign(spend=3.0), "spend", end=[3.0] * 7 + [1e3])
    assert found["extrapolated"].tolist() == [False] * 7 + [True]
    assert (found["difference"][:7] == 0).all()


def test_without_rows_start_and_end_are_numbers(pipeline):
    model = pipeline[-1]
    found = model.compare_points(feature="log", start=1.0, factor=2)
    pd.testing.assert_frame_equal(found, model.compare_points(feature="log", start=1.0, end=2.0))
    for arguments in ({"end": 1.0}, {"factor": 2}, {"start": 1.0, "end": lambda x: x}):
        with pytest.raises(ValueError, match="without X there are no rows"):
            model.compare_points(feature="log", **arguments)


def test_categories_are_ends(pipeline, rows):
    found = compare_points(pipeline, rows, "day", end="Sa")
    assert found["start"].tolist() == rows["day"].tolist()
    assert (found["difference"][rows["day"] == "Sa"] == 0).all()
    assert (found["difference"][rows["day"] == "Mo"] > 0).all()
    with pytest.raises(ValueError, match="'day' has categories, which cannot be multiplied"):
        compare_points(pipeline, rows, "day", factor=2)


@pytest.mark.parametrize("function", [compare_points, average_difference])
def test_there_is_one_end(pipeline, rows, function):
    for arguments in ({}, {"end": 1.0, "factor": 2.0}, {"start": 1.0}):
        with pytest.raises(ValueError, match="Give either end"):
            function(pipeline, rows, "spend", **arguments)
    with pytest.raises(ValueError, match="'factor' parameter"):
        function(pipeline, rows, "spend", factor=np.inf)
    with pytest.raises(ValueError, match=r"end has values of shape \(2,\), and X has 8 rows"):
        function(pipeline, rows, "spend", end=[1.0, 2.0])


def test_an_average_of_a_factor_is_that_of_its_function(pipeline, rows):
    found = average_difference(pipeline, rows, "spend", factor=1.5, by="day")
    expected = average_difference(pipeline, rows, "spend", end=lambda x: 1.5 * x, by="day")
    pd.testing.assert_frame_equal(found, expected)
