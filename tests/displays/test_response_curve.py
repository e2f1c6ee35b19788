from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skhlm import HLMRegressor, ResponseCurveDisplay, response_curve
from skhlm.displays.curve_rows import MOST_CURVES, compute_curves, curve_names
from skhlm.displays.response_curve import MOST_PANELS


def test_artists_hold_the_curves(fitted, campaigns):
    X, y = campaigns
    rows, grid = X.iloc[[3, 50, 120]], [-1.0, 0.0, 2.0]
    display = ResponseCurveDisplay.from_estimator(
        fitted, rows, "spend_1", observed=(X, y), grid=grid, coverage=0.8
    )
    frame = fitted.response_curve(rows, "spend_1", grid, coverage=0.8)
    predicted = fitted.predict(rows)
    for i in range(3):
        curve = frame[frame["row"] == i]
        assert display.lines_[i].get_xdata().tolist() == grid
        assert display.lines_[i].get_ydata().tolist() == curve["mean"].tolist()
        outline = display.bands_[i].get_paths()[0].vertices.tolist()
        for x, low, high in zip(grid, curve["lower"], curve["upper"], strict=True):
            assert [x, low] in outline
            assert [x, high] in outline
        (now,) = display.operating_points_[i].get_xydata()
        assert now.tolist() == [rows["spend_1"].iloc[i], predicted[i]]
        groups = ["region", "country", "industry", "vertical"]
        same = (X[groups] == rows[groups].iloc[i]).all(axis=1)
        shown = display.points_[i].get_xydata()
        expected = sorted(zip(X["spend_1"][same], y[same], strict=True))
        assert sorted(map(tuple, shown.tolist())) == expected
    assert display.axes_[0].get_ylabel() == y.name


def test_without_rows_there_is_a_curve_for_each_combination(fitted):
    display = ResponseCurveDisplay.from_estimator(fitted, feature="spend_2")
    n = len(fitted._spec.combinations)
    assert len(display.mean) == min(n, MOST_CURVES)
    assert len(display.panels_) == MOST_PANELS
    assert np.isnan(display.current).all()
    assert display.legend_.get_title().get_text() == f"{MOST_PANELS} of {n} curves have a panel"
    if n <= MOST_CURVES:
        frame = fitted.response_curve(feature="spend_2")
        np.testing.assert_array_equal(display.mean.ravel(), frame["mean"])
    middle = display.mean[display.panels_, 25]
    assert (np.diff(middle) >= 0).all()
    assert middle[[0, -1]].tolist() == [display.mean[:, 25].min(), display.mean[:, 25].max()]
    display.plot(panels=[0])
    assert not display.legend_.get_title().get_text()


def test_slopes_are_drawn_without_points(fitted, campaigns):
    X, y = campaigns
    display = ResponseCurveDisplay.from_estimator(
        fitted, X[:2], "spend_1", slope=True, observed=(X, y)
    )
    frame = fitted.response_curve(X[:2], "spend_1", slope=True)
    np.testing.assert_array_equal(display.mean.ravel(), frame["slope"])
    np.testing.assert_array_equal(display.upper.ravel(), frame["slope_upper"])
    assert not display.points_.size
    assert display.ax_.get_xlabel() == "return per unit of spend_1"


def test_a_row_beyond_the_grid_is_no_point_of_the_slope(fitted, campaigns):
    X, _ = campaigns
    rows = X[:2].assign(spend_1=[0.5, 9.0])
    display = ResponseCurveDisplay.from_estimator(
        fitted, rows, "spend_1", grid=[0.0, 1.0], slope=True
    )
    assert np.isfinite(display.current[:, 1]).tolist() == [True, False]


def test_what_is_extrapolated_is_dotted(fitted, campaigns):
    X, _ = campaigns
    high = X["spend_1"].max()
    grid = [0.0, high, high + 1, high + 2]
    display = ResponseCurveDisplay.from_estimator(fitted, X[:1], "spend_1", grid=grid)
    known, beyond = display.lines_[0].get_ydata(), display.extrapolations_[0].get_ydata()
    assert np.isnan(known).tolist() == [False, False, True, True]
    assert np.isnan(beyond).tolist() == [True, False, False, False]
    assert "extrapolated" in [text.get_text() for text in display.legend_.get_texts()]


def test_pipelines_and_derived_inputs_show_the_same(fitted, campaigns):
    X, y = campaigns
    doubled = make_pipeline(FunctionTransformer(_halve), fitted)
    given = X[:2].assign(spend_1=2 * X["spend_1"][:2])
    grid = [-1.0, 0.5]
    settings = {"feature": "spend_1", "grid": grid}
    piped = ResponseCurveDisplay.from_estimator(doubled, given, **settings, observed=(given, y[:2]))
    derived = ResponseCurveDisplay.from_estimator(
        fitted, X[:2], "double", grid=grid, derive=lambda z: {"spend_1": z / 2}
    )
    np.testing.assert_allclose(piped.mean, derived.mean, rtol=1e-12)
    assert piped.names.tolist() == derived.names.tolist()
    assert piped.current[:, 0].tolist() == given["spend_1"].tolist()
    assert np.isnan(derived.current).all()


def test_panels_are_chosen_by_name_or_number(fitted, campaigns):
    X, _ = campaigns
    display = ResponseCurveDisplay.from_estimator(fitted, X[:30], "spend_1", panels=[-1])
    assert display.panels_.tolist() == [29]
    assert len(display.others_[0].get_segments()) == 29
    display.plot(panels=[str(display.names[4]), 2])
    assert display.panels_.tolist() == [4, 2]
    with pytest.raises(ValueError, match="there is no curve 'Narnia'"):
        display.plot(panels=["Narnia"])
    with pytest.raises(ValueError, match="there is no curve 30"):
        display.plot(panels=[30])
    with pytest.raises(ValueError, match="panels is empty"):
        display.plot(panels=[])


def test_levels_that_fit_has_not_seen_have_no_observed_points(fitted, campaigns):
    X, y = campaigns
    new = X[:1].assign(country="Atlantis")
    display = ResponseCurveDisplay.from_estimator(fitted, new, "spend_1", observed=(X, y))
    assert display.points_[0].get_xdata().size == 0
    display = ResponseCurveDisplay.from_estimator(fitted, X[:1], "spend_1", observed=(new, y[:1]))
    assert display.points_[0].get_xdata().size == 0


def test_arrays_have_columns_by_position():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=60), np.repeat([1, 2, 3], 20)])
    y = X.sum(axis=1) + rng.normal(size=60)
    model = HLMRegressor(1, algorithm="pathfinder", family="normal", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how good three groups are is not the question
        model.fit(X, y)
    for rows, feature in ((X[[0, 20, 40]], 0), (None, None)):
        display = ResponseCurveDisplay.from_estimator(model, rows, feature, observed=(X, y))
        assert display.feature == "x0"
        assert display.names.tolist() == ["1", "2", "3"]
        assert [line.get_xdata().size for line in display.points_] == [20, 20, 20]


def test_errors_say_what_is_wrong(fitted, campaigns):
    X, y = campaigns
    with pytest.raises(ValueError, match=r"observed must be a pair"):
        ResponseCurveDisplay.from_estimator(fitted, X[:1], "spend_1", observed=X)
    with pytest.raises(ValueError, match="X has 600 rows and y 2"):
        ResponseCurveDisplay.from_estimator(fitted, X[:1], "spend_1", observed=(X, y[:2]))
    with pytest.raises(ValueError, match="spend_3"):
        ResponseCurveDisplay.from_estimator(fitted, X[:1], "spend_3")
    with pytest.raises(ValueError, match="feature: name one"):
        ResponseCurveDisplay.from_estimator(fitted, X[:1])


def test_names_are_as_short_as_they_can_be():
    groups = pd.DataFrame({"state": ["PA", "MN", "MN"], "county": ["LEE", "LEE", "CLAY"]})
    assert curve_names(groups, ["county"]) == ["PA / LEE", "MN / LEE", "MN / CLAY"]
    assert curve_names(groups[1:], ["county"]) == ["LEE", "CLAY"]
    assert curve_names(groups[["state"]], ["state"]) == ["PA", "MN (row 1)", "MN (row 2)"]
    assert curve_names(groups[[]], []) == ["row 0", "row 1", "row 2"]


@pytest.mark.parametrize("n_curves", [1, 5, 300])
def test_legible(n_curves, assert_legible):
    grid, start = np.linspace(0, 1e6, 20), np.arange(n_curves)[:, None]
    mean = start + grid / 1e5
    display = ResponseCurveDisplay(
        grid=grid,
        mean=mean,
        lower=mean - 1,
        upper=mean + 1,
        names=[f"a country of some name / a vertical of number {i}" for i in range(n_curves)],
        feature="advertising spend (EUR)",
        outcome="return (EUR)",
    ).plot()
    assert len(display.axes_) == min(n_curves, MOST_PANELS)
    assert_legible(display.figure_)


def _halve(X):
    return X.assign(spend_1=X["spend_1"] / 2)


def test_the_number_of_curves_is_what_there_are(fitted):
    n = 300
    mean = np.arange(n)[:, None] + np.zeros((n, 2))
    settings = {"grid": [0.0, 1.0], "names": [str(i) for i in range(n)], "feature": "x"}
    display = ResponseCurveDisplay(mean=mean, lower=mean, upper=mean, **settings)
    assert display.plot().legend_.get_title().get_text() == "12 of 300 curves have a panel"
    some = ResponseCurveDisplay(mean=mean, lower=mean, upper=mean, n_curves=1234, **settings)
    assert some.plot().legend_.get_title().get_text() == "12 of 1,234 curves have a panel"
    labels = fitted._spec.combinations
    found = compute_curves(
        fitted, None, "spend_1", grid=[0.0], coverage=0.9, kind="mean", slope=False, derive=None
    )
    assert found.of == len(labels)


@pytest.mark.filterwarnings("ignore:algorithm='laplace' did not")  # good enough for a picture
@pytest.mark.parametrize("slope", [False, True])
def test_categories_stand_side_by_side(slope):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"mean": list("abcdef") * 20, "day": np.repeat(["Mo", "Su", "Tu", "We"], 30)})
    y = pd.Series(2.0 * (X["day"] == "Su") + rng.normal(0, 0.1, 120), name="sales")
    encoder = OneHotEncoder(drop=["Tu"], sparse_output=False)
    steps = make_column_transformer(
        (encoder, ["day"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = HLMRegressor("mean", family="normal", algorithm="laplace", random_state=0)
    pipeline = make_pipeline(steps, model).fit(X, y)
    display = ResponseCurveDisplay.from_estimator(
        pipeline, X.head(2), "day", observed=(X, y), slope=slope
    )
    assert display.categories.tolist() == ["Mo", "Su", "Tu", "We"]
    assert display.names.tolist() == ["a", "b"]
    axes = display.axes_[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Mo", "Su", "Tu", "We"]
    x, drawn = display.lines_[0].get_data()
    assert x[:2].tolist() == [-0.3, 0.3]
    assert drawn[0] == drawn[1] == display.mean[0, 0]
    assert np.isnan(x[2::3]).all()  # bars, with nothing between
    curve = response_curve(pipeline, X.head(2), "day", slope=True)
    column = "slope" if slope else "mean"
    assert display.mean.ravel().tolist() == curve[column].tolist()
    label = "sales\nless that of day = Mo" if slope else "sales"
    assert axes.get_ylabel() == label
    assert display.current[:, 0].tolist() == [0.0, 0.0]
    if not slope:
        assert set(display.observed[:, 0]) == {0.0, 1.0, 2.0, 3.0}


def test_inputs_of_a_pipeline_are_derived_by_its_steps(fitted, campaigns):
    with pytest.raises(ValueError, match="derive is for an HLMRegressor alone"):
        ResponseCurveDisplay.from_estimator(
            make_pipeline(FunctionTransformer(), fitted), campaigns[0][:1], "spend_1", derive=dict
        )
