from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skhlm import CoefficientsDisplay, HLMRegressor
from tests.link_models import classifier, counts


def intervals(lines):
    return [segment[:, 0].tolist() for segment in lines.get_segments()]


def test_artists_hold_the_population_coefficients(fitted, assert_legible):
    display = CoefficientsDisplay.from_estimator(fitted)
    kappa = fitted.summary().query("parameter == 'kappa'").set_index("coefficient")
    assert display.rows.tolist() == ["spend_1", "spend_2"]
    kappa = kappa.loc[display.rows]
    (forest,) = display.forests_
    assert forest.points.get_ydata().tolist() == [1, 0]  # the first at the top
    np.testing.assert_allclose(forest.points.get_xdata(), kappa["mean"], rtol=1e-9)
    np.testing.assert_allclose(intervals(forest.intervals), kappa[["q05", "q95"]], rtol=1e-9)
    inner = np.array(intervals(forest.inner))
    outer = np.array(intervals(forest.intervals))
    assert (inner[:, 0] > outer[:, 0]).all() and (inner[:, 1] < outer[:, 1]).all()
    legend = [text.get_text() for text in display.legend_.get_texts()]
    assert legend[:3] == ["posterior mean", "90% interval", "50% interval"]
    assert display.ax_.get_xlabel() == "return\nper unit of the predictor"
    assert_legible(display.figure_)


def test_the_intercept_is_drawn_where_it_is_asked_for(fitted):
    display = CoefficientsDisplay.from_estimator(fitted, ["spend_2", "Intercept"])
    assert display.rows.tolist() == ["spend_2", "Intercept at x = 0"]
    with pytest.raises(ValueError, match=r"there is no coefficient 'spend_3'.*spend_"):
        CoefficientsDisplay.from_estimator(fitted, "spend_3")
    with pytest.raises(ValueError, match="coefficients is empty"):
        CoefficientsDisplay.from_estimator(fitted, [])


def test_levels_have_rows_and_coefficients_panels(fitted, assert_legible):
    levels = pd.DataFrame(fitted._spec.labels.values(fitted._spec.combinations[:5]))
    new = levels.iloc[[0]].assign(country="Atlantis")
    levels = pd.concat([levels, new], ignore_index=True)
    display = CoefficientsDisplay.from_estimator(fitted, levels=levels, coverage=0.8)
    frame = fitted.coefficients(levels, coverage=0.8)
    assert display.centre.shape == (6, 2)
    for k, name in enumerate(["spend_1", "spend_2"]):
        own = frame[frame["coefficient"] == name]
        np.testing.assert_allclose(display.centre[:, k], own["mean"], rtol=1e-9, atol=1e-12)
        ends = intervals(display.forests_[k].intervals)
        np.testing.assert_allclose(ends, own[["lower", "upper"]], rtol=1e-9)
        assert display.axes_[k].get_title() == name
        assert display.axes_[k].get_xlabel() == f"return\nper unit of {name}"
    assert display.rows[-1].startswith("Atlantis / ")
    assert display.factor == "country / vertical"
    assert_legible(display.figure_)
    every = CoefficientsDisplay.from_estimator(fitted, "spend_1", levels="all")
    assert every.centre.shape == (len(fitted._spec.combinations), 1)
    assert_legible(every.figure_)


def test_standardized_coefficients_are_those_of_a_standard_deviation(fitted, campaigns):
    plain = CoefficientsDisplay.from_estimator(fitted)
    display = CoefficientsDisplay.from_estimator(fitted, standardized=True)
    sd = campaigns[0][["spend_1", "spend_2"]].std(ddof=0).to_numpy()[:, None]
    np.testing.assert_allclose(display.lower, sd * plain.lower, rtol=1e-9)
    assert display.ax_.get_xlabel() == "return\nper standard deviation of the predictor"
    raw = HLMRegressor("region", autoscale=False, algorithm="map", random_state=0)
    X, y = campaigns
    raw.fit(X[["region", "spend_1"]], y)
    with pytest.raises(ValueError, match="autoscale=False"):
        CoefficientsDisplay.from_estimator(raw, standardized=True)


@pytest.mark.parametrize(("make", "name"), [(classifier, "odds_ratio"), (counts, "rate_ratio")])
def test_ratios_are_exponentials(make, name, assert_legible):
    display = CoefficientsDisplay.from_estimator(make(), ratio=True)
    kappa = make().summary().query("coefficient == 'price' and parameter == 'kappa'")
    np.testing.assert_allclose(display.centre[:, 0], kappa[name], rtol=1e-9)
    np.testing.assert_allclose(display.upper[:, 0], kappa[f"{name}_upper"], rtol=1e-9)
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == f"{name.replace('_', ' ')} per unit of the predictor"
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert "1" in ticks and all(float(tick) > 0 for tick in ticks)
    assert_legible(display.figure_)


def test_what_is_no_ratio_or_coverage_is_refused(fitted):
    with pytest.raises(ValueError, match="is no ratio where family='student_t'"):
        CoefficientsDisplay.from_estimator(fitted, ratio=True)
    for settings, name in (({"coverage": 1.0}, "coverage"), ({"inner": "half"}, "inner")):
        with pytest.raises(ValueError, match=f"{name} must be one number between 0 and 1"):
            CoefficientsDisplay.from_estimator(fitted, **settings)


@pytest.mark.parametrize("n", [5, 300])
def test_few_and_many_rows_are_legible(n, assert_legible):
    centre = np.random.default_rng(0).normal(size=(n, 2))
    display = CoefficientsDisplay(
        rows=[f"group {i}" for i in range(n)],
        centre=centre,
        lower=centre - 1,
        upper=centre + 1,
        panels=["Intercept", "price"],
    ).plot()
    assert_legible(display.figure_)
    assert display.forests_[0].inner is None
