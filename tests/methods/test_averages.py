"""Averages over rows against predictions, coefficients, draws and differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import (
    HLMClassifier,
    HLMRegressor,
    average_difference,
    average_prediction,
    average_slope,
)
from skhlm.posterior import prediction
from skhlm.posterior.posterior import without_new
from skhlm.reports.averages import Averages, Prediction, Sets
from tests.chance import assert_near

# Whatever the Pareto k of the draws about a mode.
pytestmark = pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")

BAND = ["lower", "upper"]


@pytest.fixture(scope="module")
def data():
    """Returns of log spend in twelve countries of three regions, on weekdays or not."""
    rng = np.random.default_rng(0)
    country = np.repeat([f"c{i:02}" for i in range(12)], 15)
    X = pd.DataFrame({"country": country, "log_spend": rng.normal(1, 1, 180)})
    X["region"] = X["country"].str[1:].astype(int) % 3
    X["weekend"] = rng.random(180) < 0.3
    slope = 1 + 0.5 * X["region"] + np.repeat(rng.normal(0, 0.2, 12), 15)
    eta = 0.5 + slope * X["log_spend"] + 0.5 * X["weekend"]
    return X, eta + rng.normal(0, 0.5, 180), rng.poisson(np.exp(0.3 * eta))


@pytest.fixture(scope="module")
def model(data):
    X, y, _ = data
    return HLMRegressor("region/country", family="normal", random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def of_counts(data):
    X, _, counts = data
    return HLMRegressor("region/country", family="poisson", random_state=0).fit(X, counts)


@pytest.fixture(params=["normal", "poisson"])
def either(request, model, of_counts):
    return {"normal": model, "poisson": of_counts}[request.param]


def draws_of(model, X, kind="mean"):
    """E[y | x] of rows in all draws, in an order of its own."""
    return model.sample_y(X, model._posterior.n_draws, kind=kind)


def band(draws, coverage=0.9):
    return np.quantile(draws, [(1 - coverage) / 2, (1 + coverage) / 2])


@pytest.mark.parametrize("kind", ["mean", "link"])
def test_the_average_prediction_is_that_of_predictions_and_of_draws(either, data, kind):
    X, weight = data[0], np.random.default_rng(1).gamma(1, 1, 180)
    found = average_prediction(either, X, sample_weight=weight, coverage=0.8, kind=kind)
    assert found.columns.tolist() == ["n_rows", "mean", "lower", "upper"]
    expected = np.average(either.predict(X, kind=kind), weights=weight)
    assert found["mean"].item() == pytest.approx(expected, rel=1e-12)
    draws = np.average(draws_of(either, X, kind), weights=weight, axis=0)
    np.testing.assert_allclose(found[BAND].to_numpy()[0], band(draws, 0.8), rtol=1e-9)


def test_averages_of_groups_are_those_of_their_rows_alone(either, data):
    X = data[0]
    found = average_prediction(either, X, by=["region", "weekend"])
    numbers = ["n_rows", "mean", *BAND]
    for _, one in found.iterrows():
        rows = (X["region"] == one["region"]) & (X["weekend"] == one["weekend"])
        alone = average_prediction(either, X[rows])
        np.testing.assert_allclose(alone[numbers].to_numpy()[0], one[numbers].astype(float))
    expected = X.groupby(["region", "weekend"], as_index=False).size()
    pd.testing.assert_frame_equal(found[["region", "weekend"]], expected[["region", "weekend"]])


def test_ranks_are_those_of_draws(either, data):
    X = data[0]
    found = average_prediction(either, X, by="region")
    draws = draws_of(either, X)
    means = np.array([draws[X["region"] == region].mean(axis=0) for region in range(3)])
    ranks = stats.rankdata(-means, axis=0)
    np.testing.assert_allclose(found["expected_rank"], ranks.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found["probability_best"], (ranks == 1).mean(axis=1), rtol=1e-12)
    best = found.loc[found["mean"].idxmax()]
    assert best["expected_rank"] == found["expected_rank"].min()


def test_groups_that_are_the_same_share_their_ranks(data):
    """Slopes that do not vary, of groups of different sizes, and changes that are none."""
    X, y, _ = data
    X = X[["country", "log_spend"]]
    model = HLMRegressor("country", varying="intercept", algorithm="laplace", random_state=0)
    model.fit(X, y)
    some = X[X.groupby("country").cumcount() < X["country"].str[1:].astype(int) + 1]
    for found in (
        average_slope(model, some, "log_spend", by="country"),
        average_difference(model, some, "log_spend", end=lambda x: x, by="country"),
    ):
        np.testing.assert_allclose(found["probability_best"], 1 / 12)
        np.testing.assert_allclose(found["expected_rank"], 6.5)


def test_the_average_slope_of_a_line_is_that_of_its_coefficients(model, data):
    X = data[0]
    found = average_slope(model, X, "log_spend", by="country")
    rows = X.groupby("country").first().reset_index()
    own = model.coefficients(rows[X.columns])
    own = own[own["coefficient"] == "log_spend"]
    np.testing.assert_allclose(found["slope"], own["mean"], rtol=1e-9)
    assert (found["probability"] == 1).all()
    whole = average_slope(model, X, "log_spend")
    assert whole["slope"].item() == pytest.approx(found["slope"].mean(), rel=1e-9)


@pytest.mark.parametrize("kind", ["mean", "link"])
def test_slopes_are_small_differences(of_counts, data, kind):
    X, h = data[0].copy(), 1e-5
    X.loc[X["country"] == "c03", "country"] = "new"
    for by in (None, "country"):
        slope = average_slope(of_counts, X, "log_spend", by=by, kind=kind)
        found = average_difference(
            of_counts, X, "log_spend", start=lambda x: x - h, end=lambda x: x + h, by=by, kind=kind
        )
        expected = found[["difference", *BAND]] / (2 * h)
        np.testing.assert_allclose(slope[["slope", *BAND]], expected, rtol=1e-4)
        np.testing.assert_array_equal(slope["probability"], found["probability"])


def test_a_difference_is_between_predictions_draw_by_draw(either, data):
    X = data[0]
    twice = X.assign(log_spend=2 * X["log_spend"])
    found = average_difference(either, X, "log_spend", end=lambda x: 2 * x)
    expected = (either.predict(twice) - either.predict(X)).mean()
    assert found["difference"].item() == pytest.approx(expected, rel=1e-9)
    draws = (draws_of(either, twice) - draws_of(either, X)).mean(axis=0)
    np.testing.assert_allclose(found[BAND].to_numpy()[0], band(draws), rtol=1e-9)
    assert found["probability"].item() == (draws > 0).mean()
    again = average_difference(either, X, "log_spend", end=2 * X["log_spend"], start=X["log_spend"])
    pd.testing.assert_frame_equal(again, found)


def test_rows_of_one_new_level_share_its_effects(model):
    """Means over ten rows of one new country, or of ten, which are ten times as certain of it."""
    X = pd.DataFrame({"country": "new", "log_spend": 0.0, "region": 0, "weekend": False}, range(10))
    apart = X.assign(country=[f"new {i}" for i in range(10)])
    lower, upper = (average_prediction(model, x, kind="link")[BAND].T for x in (X, apart))
    assert np.ptp(lower) > 1.5 * np.ptp(upper)
    together = model.sample_y(X, 1, kind="mean")
    assert np.ptp(together) == pytest.approx(0, abs=1e-12)


def test_new_levels_add_their_variance(model):
    """Of the mean over m new countries tau^2 / m in each draw: normal, with error rate 1e-4."""
    posterior, m = model._posterior, 4
    X = pd.DataFrame({"country": [f"new {i}" for i in range(m)], "log_spend": 1.0})
    predictors, codes, columns = model._rows(X.assign(region=0, weekend=False))
    new_levels = model._spec.groups.new_levels(columns, codes)
    sets = Sets.of(np.arange(m), np.zeros(m, dtype=np.int64), np.ones(m))
    estimand = Prediction(predictors, codes, "mean")
    found = Averages.of(estimand, posterior, codes, new_levels, sets).draws[0]
    Z = posterior.units.centred(predictors)[:1]
    eta = posterior.draws.expected_value(Z, without_new(codes[:1]))[0]
    sd = np.sqrt(np.einsum("i,ijs,j->s", Z[0], posterior.covariance(1), Z[0]) / m)
    assert stats.kstest((found - eta) / sd, "norm").pvalue > 1e-4


def test_a_pipeline_a_derived_input_and_a_predictor_say_the_same(model, data):
    X = data[0]
    spend = X.assign(spend=np.exp(X["log_spend"])).drop(columns="log_spend")

    def to_logarithm(X):
        return X.assign(log_spend=np.log(X["spend"]))[data[0].columns.tolist()]

    pipeline = make_pipeline(FunctionTransformer(to_logarithm), model)
    derive = {"derive": lambda spend: {"log_spend": np.log(spend)}}
    for function, change in (
        (average_slope, {}),
        (average_difference, {"end": lambda x: 1.1 * x}),
        (average_difference, {"start": 1.0, "end": 2.0}),
    ):
        through = function(pipeline, spend, "spend", by="region", **change)
        alone = function(model, spend, "spend", by="region", **change, **derive)
        pd.testing.assert_frame_equal(through, alone, rtol=1e-6)
    predictor = average_difference(model, X, "log_spend", start=0.0, end=np.log(2), by="region")
    pd.testing.assert_frame_equal(predictor, through, rtol=1e-9)
    polars = average_slope(model, pl.from_pandas(X), "log_spend", by="region")
    pd.testing.assert_frame_equal(
        polars, average_slope(model, X, "log_spend", by="region"), check_dtype=False
    )


def test_slopes_behind_a_pipeline_s_curve_are_those_of_the_curve(model, data):
    """Of log spend, one over spend, which differs from row to row."""
    X = data[0]
    spend = X.assign(spend=np.exp(X["log_spend"])).drop(columns="log_spend")
    found = average_slope(
        model, spend, "spend", by="country", derive=lambda s: {"log_spend": np.log(s)}
    )
    own = average_slope(model, X, "log_spend", by="country")["slope"]
    share = (1 / spend["spend"]).groupby(spend["country"]).mean()
    np.testing.assert_allclose(found["slope"], own * share.to_numpy(), rtol=1e-6)


def test_categories_of_a_pipeline_have_differences(data):
    X, y, _ = data
    X = X.assign(day=np.where(X["weekend"], "Sa", "Mo"))[["country", "log_spend", "day"]]
    step = FunctionTransformer(lambda X: X.assign(day=(X["day"] == "Sa") * 1.0))
    pipeline = make_pipeline(step, HLMRegressor("country", varying=["log_spend"], random_state=0))
    pipeline.fit(X, y)
    found = average_difference(pipeline, X, "day", start="Mo", end="Sa")
    expected = pipeline.predict(X.assign(day="Sa")) - pipeline.predict(X.assign(day="Mo"))
    assert found["difference"].item() == pytest.approx(expected.mean())
    with pytest.raises(ValueError, match="has categories, 'Mo', 'Sa', and no slopes"):
        average_slope(pipeline, X, "day")
    typed = X.assign(day=X["day"].astype("category"))
    with pytest.raises(ValueError, match="end: 'Fr' is no category of 'day'"):
        average_difference(pipeline, typed, "day", end="Fr")


def test_classes_have_probabilities(data):
    X, y, _ = data
    search = GridSearchCV(
        HLMClassifier("country", algorithm="laplace", random_state=0),
        {"fit_intercept": [True]},
        cv=2,
    ).fit(X.drop(columns="region"), np.where(y > 2, "yes", "no"))
    X = X.drop(columns="region")
    found = average_prediction(search, X)
    assert found["mean"].item() == pytest.approx(search.predict_proba(X)[:, 1].mean())
    slope = average_slope(search, X, "log_spend")
    assert 0 < slope["slope"].item() < 0.5


def test_rows_without_weight_are_left_out(of_counts, data):
    """As if they were not there, of new levels, too."""
    X = data[0].copy()
    X["country"] = np.where(X["region"] == 1, "new " + X["country"], X["country"])
    some = (X["region"] != 2) & (X["country"] != "new c01")
    weight = 2.0 * some
    for function, change in (
        (average_prediction, {}),
        (average_slope, {"feature": "log_spend"}),
        (average_difference, {"feature": "log_spend", "end": 1.0}),
    ):
        found = function(of_counts, X, by="country", sample_weight=weight, **change)
        alone = function(of_counts, X[some], by="country", **change)
        pd.testing.assert_frame_equal(found, alone)


def test_columns_have_positions_where_they_have_no_names(data):
    X, y, _ = data
    numbers = X[["region", "log_spend"]].astype(float)
    frame = HLMRegressor("region", algorithm="laplace", random_state=0).fit(numbers, y)
    array = HLMRegressor([0], algorithm="laplace", random_state=0).fit(numbers.to_numpy(), y)
    for feature, position in (("log_spend", 1), (None, None)):
        for function, change in ((average_slope, {}), (average_difference, {"end": 1.0})):
            named = function(frame, numbers, feature, by="region", **change)
            found = function(array, numbers.to_numpy(), position, by=0, **change)
            np.testing.assert_allclose(found.to_numpy(), named.to_numpy())
            again = function(frame, numbers, position, by=0, **change)
            pd.testing.assert_frame_equal(again, named)


def test_yes_and_no_are_numbers_to_a_model(model, data):
    X = data[0]
    slope = average_slope(model, X, "weekend")["slope"].item()
    difference = average_difference(model, X, "weekend", start=False, end=True)
    assert difference["difference"].item() == pytest.approx(slope)


def test_derived_inputs_need_be_defined_only_where_they_go(data):
    """A square root at 0; tables of other packages; a column by position."""
    X, y, _ = data
    X = X[["country"]].assign(spend=np.exp(X["log_spend"]))
    model = HLMRegressor("country", algorithm="laplace", random_state=0)
    model.fit(X[["country"]].assign(root=np.sqrt(X["spend"])), y)
    arguments = {"start": 0.0, "end": 4.0, "derive": lambda spend: {"root": np.sqrt(spend)}}
    found = average_difference(model, X, "spend", by="country", **arguments)
    own = model.coefficients()
    twice = 2 * own.loc[own["coefficient"] == "root", "mean"]
    np.testing.assert_allclose(found["difference"], twice)
    again = average_difference(model, pl.from_pandas(X), 1, by="country", **arguments)
    pd.testing.assert_frame_equal(again, found, check_dtype=False)
    message = r"'root' must have .* and is nan at -1\. Choose values"
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        average_difference(model, X, "spend", **{**arguments, "start": -1.0})


def test_few_draws_are_warned_of(of_counts, data, monkeypatch):
    X = data[0].assign(country="new")
    monkeypatch.setattr(prediction, "k_threshold", lambda _: -np.inf)
    for function, change in (
        (average_prediction, {}),
        (average_slope, {"feature": "log_spend"}),
        (average_difference, {"feature": "log_spend", "end": 1.0}),
    ):
        with pytest.warns(UserWarning, match="rest on a few draws") as caught:
            function(of_counts, X, **change)
        assert caught[0].filename == __file__
        function(of_counts, X, kind="link", **change)


def test_draws_in_blocks_are_the_same(model, data, monkeypatch):
    X = data[0]
    whole = average_slope(model, X, "log_spend", by="country")
    monkeypatch.setattr(prediction, "JOINT_BYTES", 2**16)
    pd.testing.assert_frame_equal(average_slope(model, X, "log_spend", by="country"), whole)


def test_averages_of_many_draws_have_the_errors_of_draws(model, data):
    """The mean is exact; that of the draws is within its Monte Carlo error."""
    draws = draws_of(model, data[0]).mean(axis=0)
    error = draws.std() / np.sqrt(model.diagnostics_.min_ess_bulk)
    assert_near(draws.mean(), average_prediction(model, data[0])["mean"].item(), error)


ERRORS = {
    "by": (average_prediction, {"by": "nation"}, "by: .*'nation'"),
    "group": (average_slope, {"feature": "country"}, "'country' is a group column"),
    "level": (average_difference, {"feature": "country", "end": "c01"}, "'country' is a group"),
    "no columns": (average_prediction, {"by": []}, "by: name a column"),
    "feature": (average_slope, {"feature": "spend"}, "'spend'"),
    "missing feature": (average_slope, {}, "feature: name one of"),
    "length": (
        average_difference,
        {"feature": "log_spend", "end": [1.0]},
        r"end has values of shape \(1,\), and X has 180 rows",
    ),
    "number": (average_difference, {"feature": "log_spend", "end": "much"}, "end must be a number"),
    "infinite": (
        average_difference,
        {"feature": "log_spend", "end": lambda x: x / 0},
        "end must be finite, and is .*inf in row 0",
    ),
    "kind": (average_prediction, {"kind": "outcome"}, "'kind' parameter"),
    "coverage": (average_prediction, {"coverage": 1}, "'coverage' parameter"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_is_said(model, data, case):
    function, arguments, message = ERRORS[case]
    with pytest.raises(ValueError, match=message):
        function(model, data[0], **arguments)


def test_other_estimators_are_refused(model, data):
    X, y, _ = data
    with pytest.raises(NotFittedError):
        average_prediction(HLMRegressor("country"), X)
    with pytest.raises(TypeError, match="got LinearRegression"):
        average_prediction(LinearRegression().fit(X[["log_spend"]], y), X[["log_spend"]])
    inner = HLMRegressor("region/country", algorithm="laplace", random_state=0)
    transformed = TransformedTargetRegressor(inner, func=np.exp, inverse_func=np.log)
    with pytest.raises(ValueError, match="y is transformed inside"):
        average_prediction(transformed.fit(X, y / 10), X)
    step = make_pipeline(FunctionTransformer(), model)
    with pytest.raises(ValueError, match="derive: in a pipeline"):
        average_slope(step, X, "log_spend", derive=lambda x: {"log_spend": x})
    with pytest.raises(ValueError, match="feature: name a column of X, one of 'country'"):
        average_slope(step, X)
    with pytest.raises(ValueError, match="'country' decides of which group a row is"):
        average_difference(step, X, "country", end="c01")
    with pytest.raises(TypeError, match="X must hold rows"):
        average_slope(model, "log_spend")


def test_names_of_results_give_way(data):
    X, y, _ = data
    X = X[["country", "log_spend"]].rename(columns={"country": "mean"})
    model = HLMRegressor("mean", algorithm="laplace", random_state=0).fit(X, y)
    assert average_prediction(model, X, by="mean").columns[0] == "mean_"
