from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skhlm import CoverageDisplay, HLMRegressor, PooledRegressor


def test_lines_hold_the_shares_inside_the_intervals(fitted, campaigns):
    X, y = campaigns
    pooled = PooledRegressor(["region/country", "industry/vertical"]).fit(X, y)
    models = {"hierarchical": fitted, "pooled": pooled}
    display = CoverageDisplay.from_estimators(models, X, y, nominal=[0.9, 0.5])
    for model, line in zip(models.values(), display.lines_, strict=True):
        assert line.get_xdata().tolist() == [0.5, 0.9]
        for nominal, actual in line.get_xydata():
            lower, upper = model.predict_interval(X, coverage=nominal).T
            assert actual == np.mean((lower <= y) & (y <= upper))
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["hierarchical", "pooled", "chance alone (90%, n = 600)"]


def test_the_band_is_binomial():
    display = CoverageDisplay(nominal=[0.5, 0.8], actual=[[0.5, 0.8]], n=40, names=["model"])
    display.plot()
    for q, lower, upper in zip([0.5, 0.8], display.lower_, display.upper_, strict=True):
        assert binom.cdf(round(40 * lower) - 1, 40, q) < 0.05 <= binom.cdf(round(40 * lower), 40, q)
        assert binom.cdf(round(40 * upper) - 1, 40, q) < 0.95 <= binom.cdf(round(40 * upper), 40, q)
    corners = display.band_.get_paths()[0].vertices.tolist()
    assert [0.5, display.lower_[0]] in corners
    assert [0.8, display.upper_[1]] in corners


def test_one_model_is_called_by_its_class(fitted, campaigns):
    X, y = campaigns
    display = CoverageDisplay.from_estimator(fitted, X[:50], y[:50])
    assert display.names.tolist() == ["HLMRegressor"]
    assert display.nominal.tolist() == np.linspace(0.05, 0.95, 19).round(2).tolist()


def test_errors_say_what_is_wrong(fitted, campaigns):
    X, y = campaigns
    with pytest.raises(TypeError, match="LinearRegression has no method predict_interval"):
        CoverageDisplay.from_estimator(LinearRegression().fit(X[["spend_1"]], y), X, y)
    with pytest.raises(NotFittedError):
        CoverageDisplay.from_estimator(HLMRegressor(), X, y)
    with pytest.raises(TypeError, match="must be a dictionary"):
        CoverageDisplay.from_estimators([fitted], X, y)
    with pytest.raises(ValueError, match="nominal must lie between 0 and 1"):
        CoverageDisplay.from_estimator(fitted, X, y, nominal=[0.5, 90])
    with pytest.raises(ValueError, match="X has 600 rows and y 5"):
        CoverageDisplay.from_estimator(fitted, X, y[:5], nominal=[0.5])


def test_legible(assert_legible):
    nominal = np.linspace(0.1, 0.9, 9)
    names = [f"model {i}" for i in range(6)]
    actual = [nominal ** (1 + 0.1 * i) for i in range(6)]
    display = CoverageDisplay(nominal=nominal, actual=actual, n=100, names=names).plot()
    assert_legible(display.figure_)


def test_models_inside_wrappers_and_an_outcome_in_a_column(fitted, campaigns):
    X, y = campaigns
    plain = CoverageDisplay.from_estimator(fitted, X, y, nominal=[0.5, 0.9])
    target = TransformedTargetRegressor(
        PooledRegressor("region"), func=np.negative, inverse_func=np.negative
    )
    models = {"pipeline": make_pipeline(fitted), "falling": target.fit(X[["region", "spend_1"]], y)}
    with pytest.warns(DataConversionWarning):
        column = CoverageDisplay.from_estimator(
            models["pipeline"], X, y.to_frame(), nominal=[0.5, 0.9]
        )
    assert column.actual.tolist() == plain.actual.tolist()
    falling = CoverageDisplay.from_estimator(models["falling"], X[["region", "spend_1"]], y)
    rising = PooledRegressor("region").fit(X[["region", "spend_1"]], y)
    expected = CoverageDisplay.from_estimator(rising, X[["region", "spend_1"]], y)
    np.testing.assert_allclose(falling.actual, expected.actual, atol=1 / 600)
    with pytest.raises(
        ValueError, match=r"y should be a 1d array, got an array of shape \(600, 2\)"
    ):
        CoverageDisplay.from_estimator(fitted, X, np.column_stack([y, y]))
