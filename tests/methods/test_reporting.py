"""Curves, comparisons and budgets of a fitted model, as frames, and against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhlm import HLMRegressor
from skhlm.datasets import make_campaigns

# A mode is a model that is fitted soon; how near it is to the posterior is not the question.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GROUPS = ["region", "country", "industry", "vertical"]


@pytest.fixture(scope="module")
def X(campaigns):
    """Five rows: two seen, a new country, a missing one, a new region."""
    rows = campaigns[0].head(5).copy()
    rows.loc[2, "country"] = "nowhere"
    rows.loc[3, "country"] = None
    rows.loc[4, ["region", "country"]] = ["north", "pole"]
    return rows


@pytest.fixture(scope="module")
def small():
    """A model of an array: one predictor, groups by position."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.repeat(np.arange(6), 20), rng.gamma(3, 2, 120)])
    y = X[:, 1] + X[:, 0] + rng.normal(size=120)
    return HLMRegressor(0, algorithm="map", random_state=0).fit(X, y)


def moved(X, values):
    """Each row of X at each of these values of spend_1."""
    rows = X.loc[X.index.repeat(len(values))]
    return rows.assign(spend_1=np.tile(values, len(X)))


def test_frame_of_a_curve(fitted, X):
    grid = [-1.0, 0.0, 2.0]
    curve = fitted.response_curve(X, "spend_1", grid, kind="outcome", coverage=0.8)
    names = ["row", *GROUPS, "spend_1", "mean", "lower", "upper", "extrapolated"]
    assert list(curve.columns) == names
    assert curve["row"].tolist() == np.repeat(range(5), 3).tolist()
    assert curve["spend_1"].tolist() == grid * 5
    expected = X[GROUPS].loc[X.index.repeat(3)].reset_index(drop=True)
    assert curve[GROUPS].isna().equals(expected.isna())
    assert curve[GROUPS].fillna("").to_numpy().tolist() == expected.fillna("").to_numpy().tolist()
    rows = moved(X, grid)
    np.testing.assert_allclose(curve["mean"], fitted.predict(rows), rtol=1e-10, atol=1e-12)
    interval = fitted.predict_interval(rows, 0.8)
    np.testing.assert_allclose(curve[["lower", "upper"]], interval, rtol=1e-10, atol=1e-12)


def test_a_curve_does_not_change_the_model(fitted, X):
    before = dict(fitted.__dict__)
    rows = X.copy()
    fitted.response_curve(X, "spend_1", slope=True)
    assert fitted.__dict__ == before
    pd.testing.assert_frame_equal(X, rows)


def test_the_grid_is_the_training_range_and_beyond_it_is_said(fitted, campaigns):
    spend = campaigns[0]["spend_1"]
    curve = fitted.response_curve(campaigns[0].head(1), "spend_1")
    assert len(curve) == 50
    assert curve["spend_1"].iloc[0] == spend.min()
    assert curve["spend_1"].iloc[-1] == pytest.approx(spend.max())
    assert not curve["extrapolated"].any()
    far = [spend.min() - 0.1, spend.mean(), spend.max() + 0.1]
    curve = fitted.response_curve(campaigns[0].head(1), "spend_1", far)
    assert curve["extrapolated"].tolist() == [True, False, True]


def test_without_rows_there_is_a_curve_for_each_combination_seen(fitted, campaigns):
    X, _ = campaigns
    curve = fitted.response_curve(feature="spend_2", grid=[0.5])
    seen = X[GROUPS].drop_duplicates()
    assert len(curve) == len(seen)
    assert set(map(tuple, curve[GROUPS].to_numpy())) == set(map(tuple, seen.to_numpy()))
    rows = curve[GROUPS].assign(spend_1=X["spend_1"].mean(), spend_2=0.5)
    np.testing.assert_allclose(curve["mean"], fitted.predict(rows[X.columns]), rtol=1e-9)


def test_slopes_are_coefficients(fitted, campaigns):
    X = campaigns[0].head(3)
    curve = fitted.response_curve(X, "spend_1", [0.0, 1.0], slope=True)
    beta = fitted.coefficients(X[GROUPS])
    beta = beta[beta["coefficient"] == "spend_1"]
    for name, other in [("slope", "mean"), ("slope_lower", "lower"), ("slope_upper", "upper")]:
        np.testing.assert_allclose(curve[name], np.repeat(beta[other], 2), rtol=1e-10)


def test_curves_cover_the_truth(fitted, campaigns):
    """The campaigns again with their truth: 90% bands hold about 90% of 600 true curves."""
    X, y, truth = make_campaigns(
        600, n_regions=3, n_countries=12, n_industries=3, n_verticals=10, random_state=0
    )
    pd.testing.assert_frame_equal(X, campaigns[0])
    grid = np.array([-1.0, 0.0, 1.0])
    curve = fitted.response_curve(X, "spend_1", grid, slope=True)
    beta, other = truth.beta.to_numpy(), X[["spend_2"]].to_numpy()
    true = (beta[:, :1] + beta[:, 1:2] * grid + beta[:, 2:] * other).ravel()
    inside = ((curve["lower"] < true) & (true < curve["upper"])).mean()
    assert 0.78 < inside < 0.97  # the curves of a country or vertical err together
    slope = np.repeat(beta[:, 1], 3)
    inside = ((curve["slope_lower"] < slope) & (slope < curve["slope_upper"])).mean()
    assert 0.78 < inside < 0.97
    error = curve["mean"] - true
    assert np.sqrt((error**2).mean()) < 0.25 * np.std(y)


def test_a_feature_that_predictors_are_derived_from(fitted, X):
    def derive(spend):
        return {"spend_1": np.log(spend), "spend_2": np.log(spend) ** 2}

    curve = fitted.response_curve(X, "spend", [1.0, 2.0, 100.0], derive=derive)
    assert curve["spend"].tolist()[:3] == [1.0, 2.0, 100.0]
    rows = X.loc[X.index.repeat(3)].assign(**derive(np.tile([1.0, 2.0, 100.0], 5)))
    np.testing.assert_allclose(curve["mean"], fitted.predict(rows), rtol=1e-10, atol=1e-12)
    assert curve["extrapolated"].tolist() == [False, False, True] * 5
    whole = fitted.response_curve(X, "spend_1", derive=lambda x: {"spend_1": x, "spend_2": -x})
    assert len(whole) == 250


@pytest.mark.filterwarnings("ignore::UserWarning")  # of so few levels
@pytest.mark.parametrize("name", ["self", "class", "a/b", "", " x\ny ", "価格", "x" * 3000])
def test_any_name_is_one_that_is_derived(name):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {name: rng.normal(size=30), "other": rng.normal(size=30), "g": list("ab") * 15}
    )
    model = HLMRegressor("g", family="normal", algorithm="map", iter_sampling=10, random_state=0)
    model.fit(X, X[name] + rng.normal(size=30))
    rows = X[["g", "other"]].head(2)
    found = model.response_curve(rows, "input", [0.0, 1.0], derive=lambda x: {name: x})
    itself = model.response_curve(X.head(2), name, [0.0, 1.0])
    np.testing.assert_array_equal(found["mean"], itself["mean"])
    assert itself.columns[2] == name


def test_rows_with_the_input_instead_of_what_is_derived_from_it(fitted, X):
    def derive(spend):
        return {"spend_1": np.log(spend), "spend_2": np.log(spend) ** 2}

    expected = fitted.response_curve(X, "spend", [1.0, 2.0], derive=derive)
    raw = X.drop(columns=["spend_1", "spend_2"]).assign(spend=7.0)
    assert fitted.response_curve(raw, "spend", [1.0, 2.0], derive=derive).equals(expected)
    both = X.assign(spend=7.0)
    assert fitted.response_curve(both, "spend", [1.0, 2.0], derive=derive).equals(expected)
    found = fitted.compare_points(raw, "spend", start=1.0, end=2.0, derive=derive)
    assert found.equals(fitted.compare_points(X, "spend", start=1.0, end=2.0, derive=derive))
    found = fitted.compare_curves(raw, raw.head(1), "spend", [1.0], derive=derive)
    assert found.equals(fitted.compare_curves(X, X.head(1), "spend", [1.0], derive=derive))
    with pytest.raises(ValueError, match="missing"):
        fitted.response_curve(raw.drop(columns="region"), "spend", [1.0], derive=derive)


def test_arrays_and_the_only_predictor(small):
    X = np.array([[2.0, 0.0], [9.0, 0.0]])
    curve = small.response_curve(X, grid=[1.0, 2.0])
    assert list(curve.columns)[:3] == ["row", "0", "x1"]
    assert curve["0"].tolist() == [2, 2, 9, 9]
    assert curve["mean"][0] == pytest.approx(small.predict([[2.0, 1.0]])[0])
    assert small.response_curve(X, 1, grid=[1.0, 2.0]).equals(curve)
    assert small.response_curve(X, -1, grid=[1.0, 2.0]).equals(curve)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "feature: name one of the predictors 'spend_1', 'spend_2'"),
        ({"feature": "spend"}, ValueError, "no column 'spend' in X.*Did you mean"),
        ({"feature": "country"}, ValueError, "'country' is a group column, not a predictor"),
        ({"feature": 2.5}, TypeError, "by its name or its position, got 2.5"),
        ({"feature": "a", "derive": dict}, ValueError, "grid: 'a' is not a predictor"),
        ({"feature": "spend_1", "grid": []}, ValueError, "grid must be a list of finite numbers"),
        (
            {"feature": "spend_1", "coverage": 1.0},
            ValueError,
            "The 'coverage' parameter of HLMRegressor.response_curve must be",
        ),
        ({"feature": "spend_1", "kind": "median"}, ValueError, "'kind' parameter"),
        ({"feature": "spend_1", "derive": {}}, TypeError, "'derive' parameter"),
    ],
)
def test_bad_arguments(fitted, arguments, error, message):
    with pytest.raises(error, match=message):
        fitted.response_curve(None, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"feature": "spend_2"}])
def test_a_feature_in_the_place_of_rows(fitted, arguments):
    with pytest.raises(TypeError, match=r"got 'spend_1'.*feature='spend_1'"):
        fitted.response_curve("spend_1", **arguments)
    with pytest.raises(TypeError, match="X must hold rows, got 'spend_1'"):
        fitted.compare_points("spend_1", start=0.0, end=1.0, **arguments)


def test_column_names_that_the_frame_has_already(fitted, X):
    curve = fitted.response_curve(X, "mean", [1.0], derive=lambda x: {"spend_1": x})
    assert list(curve.columns) == [
        *("row", *GROUPS, "mean_", "mean", "lower", "upper", "extrapolated")
    ]
    assert (curve["mean_"] == 1.0).all()
    np.testing.assert_allclose(curve["mean"], fitted.predict(X.assign(spend_1=1.0)))


@pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")  # good enough for names
@pytest.mark.parametrize(
    ("predictor", "group"),
    [("mean", "row"), ("lower", "mean"), ("start", "end"), ("probability", "extrapolated")],
)
def test_columns_of_x_that_are_called_as_results(predictor, group):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({predictor: rng.normal(size=60), group: list("abcdef") * 10})
    X[f"{group}_reference"] = np.tile(list("uvw"), 20)
    model = HLMRegressor(
        [group, f"{group}_reference"], family="normal", algorithm="laplace", random_state=0
    ).fit(X, X[predictor] + rng.normal(size=60))
    rows = X.head(2)
    at_one = model.predict(rows.assign(**{predictor: 1.0}))
    at_zero = model.predict(rows.assign(**{predictor: 0.0}))
    curve = model.response_curve(rows, predictor, [1.0], slope=True)
    np.testing.assert_allclose(curve["mean"], at_one)
    assert (curve.iloc[:, 1].tolist(), curve["row"].tolist()) == (["a", "b"], [0, 1])
    points = model.compare_points(rows, predictor, start=0.0, end=1.0)
    np.testing.assert_allclose(points["difference"], at_one - at_zero)
    assert points[["start", "end"]].to_numpy().tolist() == [[0.0, 1.0]] * 2
    between = model.compare_curves(rows.head(1), rows.tail(1), predictor, [0.0])
    np.testing.assert_allclose(between["difference"], at_zero[0] - at_zero[1])
    assert {"a", "b", "u", "v"} <= set(between.iloc[0])
    coefficients = model.coefficients(rows[[group, f"{group}_reference"]])
    slopes = coefficients.loc[coefficients["coefficient"] == predictor, "mean"]
    np.testing.assert_allclose(slopes, at_one - at_zero)
    assert model.interval_budget(rows)["variance"].sum() > 0


def test_levels_along_a_curve(fitted, X):
    found = fitted.compare_curves(X, X.iloc[[0]], "spend_1", [0.0, 1.0])
    reference = [f"{name}_reference" for name in GROUPS]
    numbers = ["difference", "lower", "upper", "probability", "extrapolated"]
    assert list(found.columns) == ["row", *GROUPS, *reference, "spend_1", *numbers]
    assert (found[reference].to_numpy() == X[GROUPS].iloc[0].to_numpy()).all()
    mean = fitted.predict(moved(X, [0.0, 1.0])).reshape(5, 2)
    np.testing.assert_allclose(found["difference"], (mean - mean[0]).ravel(), atol=1e-12)
    zero = found[found["row"] == 0]
    assert (zero[["difference", "lower", "upper", "probability"]] == 0).all(axis=None)
    other = found[found["row"] == 1]
    sign = (other["difference"] > 0) == (other["probability"] > 0.5)
    assert sign.all()
    rows = fitted.compare_curves(X, X, "spend_1", [0.0])
    assert (rows["lower"] == 0).tolist() == [True, True, True, False, True]  # missing: two levels


def test_new_levels_are_equal_by_their_path(fitted, campaigns):
    """The same country name in two new regions is two levels."""
    row = campaigns[0].iloc[[0]].assign(region="north", country="pole")
    other = row.assign(region="south")
    same = fitted.compare_curves(row, row, "spend_1", [0.0])
    apart = fitted.compare_curves(row, other, "spend_1", [0.0])
    width = (apart["upper"] - apart["lower"]).iloc[0]
    assert (same["upper"] - same["lower"]).iloc[0] == 0
    seen = fitted.compare_curves(row.assign(country="other"), row, "spend_1", [0.0])
    assert 0 < (seen["upper"] - seen["lower"]).iloc[0] < width  # the region cancels


def test_reference_must_be_one_row_or_as_many(fitted, X):
    with pytest.raises(ValueError, match="reference has 2 rows and X has 5"):
        fitted.compare_curves(X, X.head(2), "spend_1")


def test_combinations_seen_against_a_reference(fitted, campaigns):
    found = fitted.compare_curves(None, campaigns[0].head(1), "spend_1", [0.0])
    assert len(found) == len(campaigns[0][GROUPS].drop_duplicates())


def test_points_of_a_curve(fitted, X):
    found = fitted.compare_points(X, "spend_1", start=-1.0, end=1.0, coverage=0.8)
    numbers = ["start", "end", "difference", "lower", "upper", "probability", "extrapolated"]
    assert list(found.columns) == ["row", *GROUPS, *numbers]
    assert (found[["start", "end"]] == [-1.0, 1.0]).all(axis=None)
    slope = fitted.response_curve(X, "spend_1", [0.0], coverage=0.8, slope=True)
    for name, other in [("difference", "slope"), ("lower", "slope_lower")]:
        np.testing.assert_allclose(found[name], 2 * slope[other], rtol=1e-9)
    back = fitted.compare_points(X, "spend_1", start=1.0, end=-1.0)
    np.testing.assert_allclose(back["probability"], 1 - found["probability"])
    far = fitted.compare_points(X, "spend_1", start=0.0, end=100.0)
    assert far["extrapolated"].all()


def test_budget_of_a_fitted_model(fitted, X):
    budget = fitted.interval_budget(X)
    assert list(budget.columns) == ["row", *GROUPS, "part", "factor", "variance", "share"]
    assert len(budget) == 5 * 6
    assert budget["factor"].tolist() == ["", *fitted.groups_, ""] * 5
    parts = budget["part"].to_numpy().reshape(5, 6)
    assert (parts[:2] == ["kappa", *["delta"] * 4, "residual"]).all()
    assert parts[3, 1:3].tolist() == ["delta", "new level"]
    assert parts[4, 1:3].tolist() == ["new level", "new level"]
    _, std = fitted.predict(X, return_std=True)
    sums = budget.groupby("row")[["variance", "share"]].sum()
    np.testing.assert_allclose(sums["variance"], std**2, rtol=1e-10)
    np.testing.assert_allclose(sums["share"], 1, rtol=1e-12)


def test_without_groups(campaigns):
    X, y = campaigns[0][["spend_1", "spend_2"]], campaigns[1]
    model = HLMRegressor(algorithm="map", random_state=0).fit(X, y)
    assert model.shrinkage_factors().empty
    assert model.shrinkage_factors().columns[4] == "B"
    curve = model.response_curve(feature="spend_1", grid=[0.0, 1.0])
    assert list(curve.columns) == ["row", "spend_1", "mean", "lower", "upper", "extrapolated"]
    assert model.interval_budget(X)["part"].tolist() == ["kappa", "residual"] * len(X)
    found = model.compare_curves(X.head(1), X.tail(1), "spend_1", [0.0])
    assert found.columns[:3].tolist() == ["row", "spend_1", "difference"]
