"""The curve at x' kappa: no group effects, and no uncertainty but kappa's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skhlm
from skhlm.posterior import at_zero
from tests.link_models import classifier, counts, shops

GRID = [-1.0, 0.0, 2.0]


def eta_of_population(model, rows):
    """Draws of x' kappa, (n, S), at predictors (n, p)."""
    kappa = at_zero.kappa(model._posterior)
    return kappa[0] + rows @ kappa[1:]


def test_the_population_curve_is_that_of_kappa(fitted):
    curve = fitted.response_curve(feature="spend_1", grid=GRID, population=True, coverage=0.8)
    assert curve.columns.tolist() == ["row", "spend_1", "mean", "lower", "upper", "extrapolated"]
    rows = np.tile(fitted._spec.ranges.mean, (3, 1))
    rows[:, 0] = GRID
    eta = eta_of_population(fitted, rows)
    np.testing.assert_allclose(curve["mean"], eta.mean(axis=1), rtol=1e-9)
    ends = np.quantile(eta, [0.1, 0.9], axis=1)
    np.testing.assert_allclose(curve[["lower", "upper"]].T, ends, rtol=1e-9)


def test_levels_of_rows_say_nothing(fitted, campaigns):
    rows = campaigns[0].iloc[[0, 0, 0]].copy()
    rows.loc[:, "country"] = ["Atlantis", *rows["country"][1:]]
    rows.loc[:, "vertical"] = [rows["vertical"].iloc[0], "none", rows["vertical"].iloc[0]]
    curve = fitted.response_curve(rows, "spend_1", GRID, slope=True, population=True)
    columns = ["mean", "lower", "upper", "slope", "slope_lower", "slope_upper"]
    first, second, third = (of_row[columns].to_numpy() for _, of_row in curve.groupby("row"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    kappa = at_zero.kappa(fitted._posterior)[1]
    assert first[0, 3] == pytest.approx(kappa.mean(), rel=1e-9)
    np.testing.assert_allclose(first[0, 4:], np.quantile(kappa, [0.05, 0.95]), rtol=1e-9)


def test_its_band_is_narrower_than_that_of_a_new_level(fitted, campaigns):
    row = campaigns[0].iloc[[0]].assign(region="?", country="?", industry="?", vertical="?")
    new, own = (
        fitted.response_curve(row, "spend_1", GRID, population=population)
        for population in (False, True)
    )
    np.testing.assert_allclose(own["mean"], new["mean"], rtol=1e-9)  # of a linear link
    assert ((own["upper"] - own["lower"]) < (new["upper"] - new["lower"])).all()


@pytest.mark.parametrize("kind", ["mean", "link"])
@pytest.mark.parametrize("make", [classifier, counts])
def test_behind_a_link_it_is_the_mean_over_draws(make, kind):
    model = make()
    row = shops()[list(model.feature_names_in_)].iloc[[0]]
    curve = model.response_curve(row, "price", GRID, kind=kind, population=True)
    eta = eta_of_population(model, np.array(GRID)[:, None])
    if make is counts:
        eta = eta + np.log(row["hours"].iloc[0])
    inverse = np.asarray if kind == "link" else model._posterior.family.link.inverse
    np.testing.assert_allclose(curve["mean"], inverse(eta).mean(axis=1), rtol=1e-6)
    ends = inverse(np.quantile(eta, [0.05, 0.95], axis=1))
    np.testing.assert_allclose(curve[["lower", "upper"]].T, ends, rtol=1e-6)


def test_through_a_pipeline_it_is_the_same(fitted, campaigns):
    X = campaigns[0][:2]
    halved = make_pipeline(FunctionTransformer(_halve), fitted)
    doubled = X.assign(spend_1=2 * X["spend_1"])
    settings = {"slope": True, "population": True}
    piped = skhlm.response_curve(halved, doubled, "spend_1", 2 * np.array(GRID), **settings)
    alone = fitted.response_curve(X, "spend_1", GRID, **settings)
    np.testing.assert_allclose(piped["lower"], alone["lower"], rtol=1e-9)
    np.testing.assert_allclose(piped["mean"], alone["mean"], rtol=1e-9)
    np.testing.assert_allclose(2 * piped["slope_upper"], alone["slope_upper"], rtol=1e-6)
    assert piped.columns.tolist() == alone.columns.tolist()
    np.testing.assert_array_equal(
        skhlm.response_curve(fitted, X, "spend_1", GRID, population=True)["mean"], alone["mean"]
    )
    with pytest.raises(ValueError, match="population"):
        fitted.response_curve(X, "spend_1", GRID, population="yes")


def _halve(X):
    return X.assign(spend_1=X["spend_1"] / 2)
