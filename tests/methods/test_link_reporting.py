"""Curves and comparisons of fitted models with a link, as frames and inside pipelines."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm import column_importance
from skhlm.posterior import prediction
from tests.link_models import SETTINGS, classifier, counts, shops

GRID = [0.0, 2.0, 4.0]


def rows(model, n=4):
    """Some rows, the last of a new shop."""
    X = shops()[list(model.feature_names_in_)].iloc[:: 360 // n][:n].reset_index(drop=True)
    X.loc[n - 1, "shop"] = 99
    return X


def moved(X):
    """Each row at each value of the grid."""
    return X.loc[X.index.repeat(3)].assign(price=np.tile(GRID, len(X)))


def test_a_curve_of_counts_is_what_is_predicted():
    model, X = counts(), rows(counts())
    for kind in ("mean", "outcome", "link"):
        curve = model.response_curve(X, "price", GRID, 0.8, kind)
        mean = model.predict(moved(X), kind="link" if kind == "link" else "mean")
        np.testing.assert_allclose(curve["mean"], mean, rtol=1e-9)
        ends = model.predict_interval(moved(X), 0.8, kind)
        np.testing.assert_allclose(curve[["lower", "upper"]], ends, rtol=1e-9)


def test_a_curve_of_a_classifier_is_its_probability():
    model, X = classifier(), rows(classifier())
    curve = model.response_curve(X, "price", GRID, 0.8)
    np.testing.assert_allclose(curve["mean"], model.predict_proba(moved(X))[:, 1], rtol=1e-9)
    ends = model.predict_interval(moved(X), 0.8)
    np.testing.assert_allclose(curve[["lower", "upper"]], ends, rtol=1e-9)
    log_odds = model.response_curve(X, "price", GRID, 0.8, "link")
    odds = np.exp(log_odds[["lower", "upper"]].to_numpy())
    np.testing.assert_allclose(odds / (1 + odds), ends, rtol=1e-9)  # quantiles go through the link


def test_without_an_exposure_it_is_the_mean_of_fit():
    model, X = counts(), rows(counts())
    mean = shops()["hours"].mean()
    bare = model.response_curve(X.drop(columns="hours"), "price", GRID, slope=True)
    given = model.response_curve(X.assign(hours=mean), "price", GRID, slope=True)
    for column in ("mean", "lower", "upper", "slope", "slope_upper"):
        np.testing.assert_allclose(bare[column], given[column], rtol=1e-9)
    every = model.response_curve(None, "price", GRID)
    assert len(every) == 36
    one = every[every["shop"] == 0]
    expected = model.predict(moved(X.assign(hours=mean, town="A", shop=0)[:1]))
    np.testing.assert_allclose(one["mean"], expected, rtol=1e-9)


@pytest.mark.parametrize("model", [counts, classifier])
def test_slopes_are_rates_of_the_mean(model):
    model = model()
    X, step = rows(model), 1e-3
    curve = model.response_curve(X, "price", GRID, slope=True)
    up, down = (model.response_curve(X, "price", np.add(GRID, h))["mean"] for h in (step, -step))
    np.testing.assert_allclose(curve["slope"], (up - down) / (2 * step), rtol=1e-5)
    assert (curve["slope_lower"] < curve["slope_upper"]).all()
    straight = model.response_curve(X, "price", GRID, kind="link", slope=True)
    assert straight.groupby("row")["slope"].nunique().eq(1).all()
    rise = straight["mean"].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(straight["slope"][::3], (rise[:, 2] - rise[:, 0]) / 4, rtol=1e-9)


@pytest.mark.parametrize("model", [counts, classifier])
def test_comparisons_are_on_the_scale_of_the_outcome(model):
    model = model()
    X = rows(model)
    curve = model.response_curve(X, "price", GRID)["mean"].to_numpy().reshape(-1, 3)
    points = model.compare_points(X, "price", start=0.0, end=4.0)
    np.testing.assert_allclose(points["difference"], curve[:, 2] - curve[:, 0], rtol=1e-6)
    assert points["difference"].between(points["lower"], points["upper"]).all()
    both = model.compare_curves(X[1:], X[:1], "price", GRID)
    difference = (curve[1:] - curve[0]).ravel()
    np.testing.assert_allclose(both["difference"], difference, rtol=1e-6, atol=1e-9)
    link = model.compare_curves(X[1:], X[:1], "price", GRID, kind="link")
    np.testing.assert_allclose(link["probability"], both["probability"])
    eta = model.response_curve(X, "price", GRID, kind="link")["mean"].to_numpy().reshape(-1, 3)
    np.testing.assert_allclose(link["difference"], (eta[1:] - eta[0]).ravel(), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_curves_over_the_input_of_a_pipeline():
    """A step makes the logarithm: slopes by the chain rule of the step, the link and the model."""
    X = shops()[["town", "shop", "price"]].assign(price=lambda x: np.exp(x["price"] / 4))
    to_log = ColumnTransformer(
        [("log", FunctionTransformer(np.log, feature_names_out="one-to-one"), ["price"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = skhlm.HLMClassifier("town/shop", **{**SETTINGS, "algorithm": "laplace"})
    pipe = make_pipeline(to_log, model)
    pipe.fit(X, shops()["bought"])
    some, grid = X[::120].reset_index(drop=True), np.array([0.8, 1.5, 2.0])
    curve = skhlm.response_curve(pipe, some, "price", grid, slope=True)
    at = some.loc[some.index.repeat(3)].assign(price=np.tile(grid, len(some)))
    np.testing.assert_allclose(curve["mean"], pipe.predict_proba(at)[:, 1], rtol=1e-9)
    inner = pipe[-1].response_curve(pipe[:-1].transform(some), "price", np.log(grid), slope=True)
    expected = inner["slope"] / np.tile(grid, len(some))
    middle = np.arange(len(curve)) % 3 == 1  # the ends of a grid have slopes from one side
    np.testing.assert_allclose(curve["slope"][middle], expected[middle], rtol=1e-6)
    np.testing.assert_allclose(curve["slope"], expected, rtol=1e-3)
    link = skhlm.response_curve(pipe, some, "price", grid, kind="link")
    rows_, codes, _ = pipe[-1]._rows(pipe[:-1].transform(at))
    eta = prediction.linear_predictor(pipe[-1]._posterior, rows_, codes)
    np.testing.assert_allclose(link["mean"], eta, rtol=1e-9)


def test_eta_of_a_transformed_target_is_refused():
    target = TransformedTargetRegressor(check_inverse=False)
    target.regressor_, target.transformer_ = counts(), FunctionTransformer()
    with pytest.raises(ValueError, match="kind='link': the model's y is transformed"):
        skhlm.response_curve(target, rows(counts()), "price", kind="link")


@pytest.mark.parametrize("model", [counts, classifier])
def test_importance_is_on_the_scale_of_the_link(model):
    model = model()
    found = dict(zip(model.feature_names_in_, column_importance(model), strict=True))
    assert found["price"] == abs(model.coef_[0])
    assert all(found[name] > found["price"] for name in found if name != "price")


def test_levels_that_say_nothing_alone_survive_a_file(tmp_path):
    model = classifier()
    frame = model.shrinkage_factors("town/shop")
    silent = frame["level"] == ("C", 11)
    assert frame.loc[silent, "no_pooling"].isna().all()
    assert frame.loc[~silent, "no_pooling"].notna().all()
    skhlm.save(model, tmp_path / "model.skhlm")
    assert skhlm.load(tmp_path / "model.skhlm").shrinkage_factors("town/shop").equals(frame)
