from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import PosteriorPredictiveDisplay


def test_lines_are_distribution_functions_of_outcome_and_replicates(fitted, campaigns):
    X, y = campaigns
    display = PosteriorPredictiveDisplay.from_estimator(
        fitted, X, y, n_replicates=7, random_state=3, kind="ecdf"
    )
    replicated = fitted.sample_y(X, 7, random_state=3).T
    lines = [display.observed_line_.get_xydata(), *display.replicated_lines_.get_segments()]
    for values, line in zip([y.to_numpy(), *replicated], lines, strict=True):
        at = np.searchsorted(line[:, 0], values, side="right") - 1
        share = (values[:, None] >= values).mean(axis=1)
        np.testing.assert_allclose(line[at, 1], share, rtol=1e-12)
        assert line[0, 1] == 0
        assert line[-1, 1] == 1
    assert display.ax_.get_xlabel() == "return"


def test_densities_are_kernel_estimates(fitted, campaigns):
    from scipy.stats import gaussian_kde

    X, y = campaigns
    display = PosteriorPredictiveDisplay.from_estimator(fitted, X, y, n_replicates=5)
    x, density = display.observed_line_.get_xydata().T
    iqr = np.subtract(*np.quantile(y, [0.75, 0.25]))
    bandwidth = 0.9 * min(y.std(ddof=0), iqr / 1.34) * len(y) ** -0.2
    oracle = gaussian_kde(y, bandwidth / y.std(ddof=1))(x)
    np.testing.assert_allclose(density, oracle, atol=0.01 * oracle.max())


def test_the_rows_of_fit_are_the_default(fitted, campaigns):
    _, y = campaigns
    display = PosteriorPredictiveDisplay.from_estimator(fitted, n_replicates=30)
    assert sorted(display.observed) == sorted(y)
    assert display.replicated.shape == (30, len(y))
    tail = display.replicated.mean(axis=0) - display.observed
    assert abs(np.median(tail)) < 0.2 * y.std()


def test_heavy_tails_do_not_stretch_the_axis():
    rng = np.random.default_rng(0)
    replicated = rng.normal(size=(20, 100))
    replicated[0, 0] = 1e9
    display = PosteriorPredictiveDisplay(observed=rng.normal(size=100), replicated=replicated)
    low, high = display.plot().ax_.get_xlim()
    assert -6 < low < high < 6


def test_an_outcome_that_does_not_vary_is_drawn():
    PosteriorPredictiveDisplay(observed=np.ones(5), replicated=np.ones((3, 5))).plot()


def test_errors_say_what_is_wrong(fitted, campaigns):
    X, y = campaigns
    with pytest.raises(ValueError, match="Give both X and y"):
        PosteriorPredictiveDisplay.from_estimator(fitted, X)
    with pytest.raises(ValueError, match="X has 600 rows and y 3"):
        PosteriorPredictiveDisplay.from_estimator(fitted, X, y[:3])
    linear = LinearRegression().fit(X[["spend_1"]], y)
    with pytest.raises(TypeError, match="LinearRegression has no method sample_y"):
        PosteriorPredictiveDisplay.from_estimator(linear, X[["spend_1"]], y)
    with pytest.raises(ValueError, match="kind must be one of 'density', 'ecdf'"):
        PosteriorPredictiveDisplay(observed=y, replicated=[y]).plot(kind="histogram")


@pytest.mark.parametrize("kind", ["density", "ecdf"])
def test_legible(kind, assert_legible):
    rng = np.random.default_rng(0)
    display = PosteriorPredictiveDisplay(
        observed=1e7 * rng.normal(size=50), replicated=1e7 * rng.normal(size=(20, 50)), outcome="y"
    )
    assert_legible(display.plot(kind=kind).figure_)


def test_the_outcome_is_called_as_it_was_at_fit(fitted):
    display = PosteriorPredictiveDisplay.from_estimator(fitted, n_replicates=3)
    assert display.ax_.get_xlabel() == fitted._spec.outcome_name == "return"


def test_models_inside_wrappers_and_an_outcome_in_a_column(fitted, campaigns):
    X, y = campaigns
    plain = PosteriorPredictiveDisplay.from_estimator(fitted, X, y, n_replicates=3)
    with pytest.warns(DataConversionWarning):
        piped = PosteriorPredictiveDisplay.from_estimator(
            make_pipeline(fitted), X, y.to_frame(), n_replicates=3
        )
    assert np.array_equal(piped.replicated, plain.replicated)
    assert np.array_equal(piped.observed, y)
    assert piped.outcome == plain.outcome == "return"
    target = TransformedTargetRegressor(check_inverse=False)
    target.regressor_ = fitted
    target.transformer_ = FunctionTransformer(None, lambda z: 3 - 2 * z)
    moved = PosteriorPredictiveDisplay.from_estimator(target, X, y, n_replicates=3)
    np.testing.assert_allclose(moved.replicated, 3 - 2 * plain.replicated)
    weight = np.arange(len(y)) % 3
    for model in (fitted, target):
        counted = PosteriorPredictiveDisplay.from_estimator(model, X, y, weight, n_replicates=3)
        assert np.array_equal(counted.observed, np.repeat(y, weight))
        assert counted.replicated.shape == (3, weight.sum())
    with pytest.raises(ValueError, match="no whole numbers"):
        PosteriorPredictiveDisplay.from_estimator(target, X, y, weight / 2)
