from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skhlm import HLMRegressor, LooPitDisplay, ResidualsDisplay
from skhlm.displays.loo_pit import _tail_of_band
from tests.chance import RATE
from tests.link_models import classifier, counts, shares, shops


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_points_are_what_predictions_leave(fitted, campaigns, assert_legible):
    X, y = campaigns
    display = ResidualsDisplay.from_estimator(fitted, X, y)
    expected = fitted.predict(X)
    form, scale, tails = display.points_
    np.testing.assert_allclose(form.get_xydata(), np.column_stack([expected, y - expected]))
    sigma, nu = (np.median(fitted._posterior.auxiliary[name]) for name in ("sigma", "nu"))
    roots = np.sqrt(np.abs(y - expected) / sigma)
    np.testing.assert_allclose(scale.get_ydata(), roots)
    theory, own = tails.get_data()
    np.testing.assert_allclose(own, np.sort(y - expected) / sigma)
    n = len(y)
    np.testing.assert_allclose(theory, stats.t(nu).ppf((np.arange(n) + 0.5) / n), rtol=1e-6)
    assert display.axes_[0].get_ylabel() == "residual of return"
    assert "nu" in display.axes_[2].get_xlabel()
    assert_legible(display.figure_)
    assert len(display.trends_[0].get_xdata()) == 12
    remembered = ResidualsDisplay.from_estimator(fitted)
    np.testing.assert_allclose(np.sort(remembered.residual), np.sort(display.residual))


def test_the_band_of_quantiles_is_that_of_order_statistics():
    """The ith of n normal numbers is in its band in nine of ten samples."""
    rng = np.random.default_rng(0)
    samples = np.sort(rng.standard_normal((4000, 20)), axis=1)
    display = ResidualsDisplay(fitted=np.arange(20.0), residual=samples[0]).plot(kinds="quantiles")
    outline = display.band_.get_paths()[0].vertices
    where = display.points_[0].get_xdata()
    error = stats.norm.isf(RATE / 40) * np.sqrt(0.09 / 4000)
    for i, x in enumerate(where):
        ends = outline[np.isclose(outline[:, 0], x), 1]
        inside = ((ends.min() <= samples[:, i]) & (samples[:, i] <= ends.max())).mean()
        assert abs(inside - 0.9) < error


def test_whole_numbers_have_quantile_residuals(assert_legible):
    model = counts()
    X, y = shops()[list(model.feature_names_in_)], shops()["visits"]
    display = ResidualsDisplay.from_estimator(model, X, y)
    assert display.quantile and display.scale == 1 and np.isinf(display.df)
    assert display.axes_[0].get_ylabel() == "quantile residual"
    assert display.axes_[0].get_xlabel() == "expected log rate of visits"
    assert stats.kstest(display.residual, "norm").pvalue > RATE  # of data of the model itself
    other = ResidualsDisplay.from_estimator(model, X, y, random_state=1)
    assert (other.residual != display.residual).any()
    assert_legible(display.figure_)
    with pytest.raises(ValueError, match="residuals='response': family='poisson'"):
        ResidualsDisplay.from_estimator(model, X, y, residuals="response")


def test_counts_that_vary_more_than_the_model_are_seen():
    """Overdispersed counts: half of the quantile residuals would be beyond 0.67, far more are."""
    model = counts()
    X = shops()[list(model.feature_names_in_)]
    rng = np.random.default_rng(0)
    y = rng.poisson(model.predict(X) * rng.gamma(1.0, 1.0, len(X))).astype(float)
    display = ResidualsDisplay.from_estimator(model, X, y, kinds="scale")
    usual = display.ax_.lines[0].get_ydata()[0]
    assert display.trends_[0].get_ydata().mean() > 1.2 * usual
    assert usual == pytest.approx(0.822, abs=0.002)  # E |z|^(1/2)


def test_weights_repeat_rows_and_shares_have_trials():
    display = ResidualsDisplay.from_estimator(shares())
    assert len(display.residual) == 360
    assert stats.kstest(display.residual, "norm").pvalue > RATE
    model = counts()
    X, y = shops()[list(model.feature_names_in_)][:4], shops()["visits"][:4]
    weighted = ResidualsDisplay.from_estimator(model, X, y, [2, 0, 1, 1])
    assert len(weighted.residual) == 4
    with pytest.raises(ValueError, match="no whole numbers"):
        ResidualsDisplay.from_estimator(model, X, y, [0.5, 1, 1, 1])


def test_of_many_rows_some_are_drawn(fitted, campaigns):
    display = ResidualsDisplay.from_estimator(fitted, *campaigns, max_rows=50)
    assert len(display.residual) == 50
    assert display.legend_.get_title().get_text() == "50 of 600 rows"
    with pytest.raises(ValueError, match="max_rows must be a whole number"):
        ResidualsDisplay.from_estimator(fitted, *campaigns, max_rows=0)


def test_new_levels_have_residuals(fitted, campaigns):
    X, y = campaigns[0].assign(country="Atlantis"), campaigns[1]
    display = ResidualsDisplay.from_estimator(fitted, X, y, residuals="quantile")
    assert display.axes_[2].get_xlabel() == "normal quantile"
    assert np.isfinite(display.residual).all()
    assert display.residual.std() < 2  # the new country's variance is in the distribution


def test_panels_are_chosen(fitted):
    display = ResidualsDisplay.from_estimator(fitted, kinds=["quantiles", "fitted"])
    assert display.kinds_ == ["quantiles", "fitted"]
    assert display.trends_[0] is None
    assert "as the model has it" not in legend(display)
    with pytest.raises(ValueError, match="kinds must be some of"):
        display.plot(kinds="scales")
    with pytest.raises(ValueError, match="residuals must be one of"):
        ResidualsDisplay.from_estimator(fitted, residuals="pearson")
    with pytest.raises(ValueError, match="Give both X and y"):
        ResidualsDisplay.from_estimator(fitted, X=np.zeros((1, 2)))


def test_through_steps_and_transformed_targets_rows_are_those_the_model_sees(campaigns):
    X, y = campaigns[0][["region", "spend_1"]], np.exp(0.1 * campaigns[1])
    model = HLMRegressor("region", family="normal", algorithm="laplace", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inner = make_pipeline(FunctionTransformer(_double), model)
        target = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(X, y)
    display = ResidualsDisplay.from_estimator(target, X, y)
    np.testing.assert_allclose(display.residual, np.log(y / target.predict(X)), atol=1e-9)
    loo = LooPitDisplay.from_estimator(target, X, y)
    remembered = LooPitDisplay.from_estimator(target)
    np.testing.assert_allclose(np.sort(loo.lower), np.sort(remembered.lower), rtol=1e-9)


def test_transforms_left_out_are_uniform_where_the_model_is_right(fitted, assert_legible):
    display = LooPitDisplay.from_estimator(fitted)
    line = display.line_
    inside = np.interp(display.at_, *line.get_data())
    assert stats.kstest(display.lower, "uniform").pvalue > RATE
    assert (inside > display.lower_ - 0.02).all() and (inside < display.upper_ + 0.02).all()
    np.testing.assert_array_equal(display.lower, display.upper)
    assert legend(display) == ["left out one by one", "by chance (90%)"]
    assert_legible(display.figure_)


def test_a_model_that_is_too_sure_leaves_the_band():
    rng = np.random.default_rng(0)
    pit = stats.norm.cdf(2 * rng.standard_normal(300))
    display = LooPitDisplay(lower=pit, upper=pit).plot()
    difference = np.interp(display.at_, *display.line_.get_data())
    assert difference[:20].max() > display.upper_[:20].max()
    bars = display.plot(kind="histogram").bars_
    assert bars[0].get_height() > display.upper_[0]
    total = sum(bar.get_height() for bar in bars) / len(bars)
    assert total == pytest.approx(1)


@pytest.mark.parametrize("n", [30, 200])
def test_the_band_holds_all_along_with_its_probability(n):
    """In 3000 samples of uniform numbers, within chance and the steps of binomial quantiles."""
    at = np.arange(1, 100) / 100
    tail = _tail_of_band(n, at, 0.9)
    low, high = (stats.binom.ppf(p, n, at) for p in (tail, 1 - tail))
    samples = np.random.default_rng(1).random((3000, n))
    counts_below = (samples[:, :, None] <= at).sum(axis=1)
    inside = ((counts_below >= low) & (counts_below <= high)).all(axis=1).mean()
    error = stats.norm.isf(RATE / 2) * np.sqrt(0.09 * (1 / 3000 + 1 / 4000))
    assert 0.9 - error < inside < 0.95 + error


def test_whole_numbers_are_spread_between_their_ends():
    display = LooPitDisplay.from_estimator(classifier(), kind="histogram")
    assert (display.lower <= display.upper).all()
    assert ((display.lower < 1e-9) | (display.upper > 1 - 1e-9)).all()  # of yes and no
    heights = [bar.get_height() for bar in display.bars_]
    assert np.mean(heights) == pytest.approx(1)


def test_rows_must_be_those_of_fit(fitted, campaigns):
    X, y = campaigns
    with pytest.raises(ValueError, match="has not the rows of fit"):
        LooPitDisplay.from_estimator(fitted, X[:100], y[:100])
    lost = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="does not remember the rows"):
        LooPitDisplay.from_estimator(lost)
    given, own = LooPitDisplay.from_estimator(lost, X, y), LooPitDisplay.from_estimator(fitted)
    np.testing.assert_array_equal(given.lower, own.lower)  # in whatever order they were given
    with pytest.raises(ValueError, match="coverage must be one number"):
        LooPitDisplay.from_estimator(fitted, coverage=2)
    with pytest.raises(ValueError, match="kind must be"):
        given.plot(kind="pit")


def test_rows_that_cannot_be_left_out_so_are_told():
    pit = np.linspace(0, 1, 20)
    display = LooPitDisplay(lower=pit, upper=pit, pareto_k=np.r_[0.9, np.zeros(19)], n_rows=40)
    title = display.plot().legend_.get_title().get_text()
    assert title == "20 of 40 rows\n1 row of Pareto k > 0.7"


def _double(X):
    return X.assign(spend_1=2 * X["spend_1"])
