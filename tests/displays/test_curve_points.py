"""Points beside curves of the population, and partial residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline

from skhlm import HLMRegressor, ResponseCurveDisplay
from skhlm.posterior import prediction
from tests.link_models import counts, shops


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_the_population_has_one_panel_with_all_points(fitted, campaigns, assert_legible):
    X, y = campaigns
    display = ResponseCurveDisplay.from_estimator(
        fitted, feature="spend_1", population=True, observed=(X, y)
    )
    frame = fitted.response_curve(feature="spend_1", population=True)
    assert display.names.tolist() == ["group effects at zero"]
    np.testing.assert_array_equal(display.lower[0], frame["lower"])
    drawn = display.points_[0].get_xydata()
    assert drawn.tolist() == np.column_stack([X["spend_1"], y]).tolist()
    assert "the other curves" not in legend(display)
    assert_legible(display.figure_)


def test_rows_of_the_population_are_where_kappa_says(fitted, campaigns):
    X = campaigns[0][:3].assign(country="Atlantis")
    display = ResponseCurveDisplay.from_estimator(fitted, X, "spend_1", population=True)
    at = fitted.response_curve(X, "spend_1", X["spend_1"].tolist(), population=True)
    own = at["mean"].to_numpy().reshape(3, 3).diagonal()
    np.testing.assert_allclose(display.current[:, 1], own, rtol=1e-9)
    piped = ResponseCurveDisplay.from_estimator(
        make_pipeline(fitted), X, "spend_1", population=True
    )
    np.testing.assert_allclose(piped.current, display.current, rtol=1e-9)


def test_a_partial_residual_is_the_outcome_beside_its_own_curve(fitted, campaigns):
    """At its own input the curve of a row is its expected value, so that the point is y."""
    X, y = campaigns[0][:40], campaigns[1][:40]
    grid = np.unique(X["spend_1"])
    display = ResponseCurveDisplay.from_estimator(
        fitted, X, "spend_1", observed=(X, y), grid=grid, partial_residuals=True
    )
    of_rows = pd.DataFrame(display.observed, columns=["x", "value"])
    of_rows["curve"] = display.observed_combination
    for i, (x, outcome) in enumerate(zip(X["spend_1"], y, strict=True)):
        own = of_rows[(of_rows["curve"] == i) & (of_rows["x"] == x)]
        assert np.isclose(own["value"], outcome, rtol=1e-9).any()
    assert "partial residuals" in legend(display)
    assert "observed" not in legend(display)


def test_partial_residuals_are_as_far_from_the_curve_as_outcomes_from_predictions(
    fitted, campaigns
):
    X, y = campaigns
    display = ResponseCurveDisplay.from_estimator(
        fitted, feature="spend_1", population=True, observed=(X, y), partial_residuals=True
    )
    curve = np.interp(display.observed[:, 0], display.grid, display.mean[0])
    residual = (y - fitted.predict(X)).to_numpy()
    np.testing.assert_allclose(display.observed[:, 1] - curve, residual, atol=1e-9)
    assert np.std(residual) < np.std(y - curve)


def test_partial_residuals_behind_a_link_are_working_residuals():
    model = counts()
    X, y = shops()[list(model.feature_names_in_)], shops()["visits"]
    settings = {"feature": "price", "population": True, "observed": (X, y)}
    display = ResponseCurveDisplay.from_estimator(
        model, **settings, kind="link", partial_residuals=True
    )
    predictors, codes, _ = model._rows(X)
    eta = prediction.linear_predictor(model._posterior, predictors, codes)
    curve = np.interp(display.observed[:, 0], display.grid, display.mean[0])
    np.testing.assert_allclose(
        display.observed[:, 1] - curve, y / np.exp(eta) - 1, rtol=1e-6, atol=1e-9
    )
    with pytest.raises(ValueError, match="kind='link'"):
        ResponseCurveDisplay.from_estimator(model, **settings, partial_residuals=True)


def test_partial_residuals_of_a_transformed_target_are_on_the_scale_of_y(campaigns):
    X, y = campaigns[0][["region", "spend_1"]][:200], np.exp(0.1 * campaigns[1][:200])
    model = HLMRegressor("region", family="normal", algorithm="map", random_state=0)
    target = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)
    target.fit(X, y)
    display = ResponseCurveDisplay.from_estimator(
        target, X[:1], "spend_1", observed=(X, y), partial_residuals=True
    )
    same = X["region"] == X["region"].iloc[0]
    residual = (y - target.predict(X))[same]
    curve = np.interp(display.observed[:, 0], display.grid, display.mean[0])
    np.testing.assert_allclose(display.observed[:, 1] - curve, residual, rtol=1e-9, atol=1e-9)


def test_a_transformed_target_has_curves_without_rows(campaigns):
    X, y = campaigns[0][["region", "spend_1"]][:200], np.exp(0.1 * campaigns[1][:200])
    model = HLMRegressor("region", family="normal", algorithm="map", random_state=0)
    target = TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp).fit(X, y)
    display = ResponseCurveDisplay.from_estimator(target, population=True, observed=(X, y))
    inside = target.regressor_.response_curve(feature="spend_1", grid=display.grid, population=True)
    np.testing.assert_allclose(display.mean[0], np.exp(inside["mean"].iloc[:50]), rtol=1e-9)
    np.testing.assert_array_equal(np.sort(display.observed[:, 1]), np.sort(y))
    every = ResponseCurveDisplay.from_estimator(target)
    assert len(every.mean) == X["region"].nunique()


def test_points_beyond_the_grid_have_no_place(fitted, campaigns):
    X, y = campaigns
    display = ResponseCurveDisplay.from_estimator(
        fitted,
        feature="spend_1",
        population=True,
        observed=(X, y),
        grid=[1.0, -1.0, 0.0],
        partial_residuals=True,
    )
    inside = np.abs(display.observed[:, 0]) <= 1
    assert np.isfinite(display.observed[:, 1]).tolist() == inside.tolist()


def test_partial_residuals_need_rows_and_no_slope(fitted, campaigns):
    with pytest.raises(ValueError, match=r"observed=\(X, y\)"):
        ResponseCurveDisplay.from_estimator(fitted, feature="spend_1", partial_residuals=True)
    with pytest.raises(ValueError, match="no slope"):
        ResponseCurveDisplay.from_estimator(
            fitted, feature="spend_1", observed=campaigns, slope=True, partial_residuals=True
        )
