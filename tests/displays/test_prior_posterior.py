from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm import HLMRegressor, PriorPosteriorDisplay
from skhlm.displays.densities import density
from skhlm.displays.parameters import MOST_PANELS
from tests.chance import RATE
from tests.link_models import classifier, counts


def test_densities_are_those_of_what_was_drawn():
    """Within four standard errors and the bias of the kernel, at points of a normal density."""
    at = np.linspace(-3, 3, 61)
    draws = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)  # no chance in them
    found = density(draws, at, (-np.inf, np.inf))
    np.testing.assert_allclose(found, stats.norm.pdf(at), atol=0.01)


def test_densities_end_at_their_bounds_without_a_dip():
    at = np.linspace(-0.5, 3, 71)
    draws = stats.halfnorm.ppf((np.arange(20_000) + 0.5) / 20_000)
    found = density(draws, at, (0.0, np.inf))
    np.testing.assert_allclose(found, stats.halfnorm.pdf(at), atol=0.02)
    assert (found[at < 0] == 0).all()
    uniform = density((np.arange(20_000) + 0.5) / 10_000 - 1, np.linspace(-1, 1, 50), (-1.0, 1.0))
    np.testing.assert_allclose(uniform, 0.5, atol=0.02)


def test_priors_are_those_of_the_fit_in_units_of_the_data(fitted, campaigns):
    """Kolmogorov-Smirnov tests of the default priors, at a rate of 1e-4 for all together."""
    X, y = campaigns
    display = PriorPosteriorDisplay.from_estimator(fitted, ["kappa[spend_1]", "tau", "sigma", "nu"])
    names = display.parameters.tolist()
    sd_y, sd_x = y.std(ddof=0), X["spend_1"].std(ddof=0)
    slope, tau, sigma, nu = (
        display.prior[names.index(name)]
        for name in ("kappa[spend_1]", "tau[region/country, spend_1]", "sigma", "nu")
    )
    expected = {
        "kappa": (slope, stats.norm(0, 10 * sd_y / sd_x)),
        "tau": (tau, stats.halfcauchy(0, 2.5 * sd_y / sd_x)),
        "sigma": (sigma, stats.halfcauchy(0, 2.5 * sd_y)),
        "nu": (nu - 0.0, stats.gamma(2, scale=10)),
    }
    for name, (draws, prior) in expected.items():
        if name == "nu":  # cut at its bound
            low = fitted._posterior.family.auxiliary[1].lower
            u = (prior.cdf(draws) - prior.cdf(low)) / prior.sf(low)
        else:
            u = prior.cdf(draws)
        assert stats.kstest(u, "uniform").pvalue > RATE / 4, name


def test_posteriors_are_those_reported(fitted):
    display = PriorPosteriorDisplay.from_estimator(fitted, "kappa")
    mean = fitted.summary().query("parameter == 'kappa'")["mean"]
    np.testing.assert_allclose(display.posterior.mean(axis=1), mean, rtol=1e-9)
    quartiles = np.quantile(display.posterior, [0.25, 0.75], axis=1)
    of_prior = np.quantile(display.prior, [0.25, 0.75], axis=1)
    np.testing.assert_allclose(
        display.share_, np.diff(quartiles, axis=0)[0] / np.diff(of_prior, axis=0)[0]
    )
    assert display.titles[0] == "kappa[Intercept at x = 0]"


def test_panels_show_the_posterior_and_a_prior_that_is_not_far_wider():
    rng = np.random.default_rng(0)
    narrow = rng.normal(0, 0.01, (1, 1000))
    for scale, wide in ((100.0, False), (0.02, True)):
        prior = rng.normal(0.05, scale, (1, 4000))
        display = PriorPosteriorDisplay(parameters=["a"], prior=prior, posterior=narrow).plot()
        low, high = display.ax_.get_xlim()
        assert low < narrow.min() + 0.01 and high > narrow.max() - 0.01
        assert (low < np.quantile(prior, 0.26) and high > np.quantile(prior, 0.74)) == wide
        assert high - low < 0.5
    positive = PriorPosteriorDisplay(
        parameters=["tau"], prior=np.abs(prior), posterior=np.abs(narrow), bounds=[[0, np.inf]]
    ).plot()
    assert positive.ax_.get_xlim()[0] == 0
    assert positive.posterior_[0].get_ydata()[0] > positive.posterior_[0].get_ydata()[-1]


def test_parameters_are_found_by_name_and_kind(fitted):
    display = PriorPosteriorDisplay.from_estimator(fitted, "sigma")
    assert display.parameters.tolist() == ["sigma"]
    with pytest.raises(ValueError, match="there is no parameter 'theta'"):
        PriorPosteriorDisplay.from_estimator(fitted, "theta")
    with pytest.raises(ValueError, match="parameters is empty"):
        PriorPosteriorDisplay.from_estimator(fitted, [])


def test_of_many_parameters_the_first_have_panels(campaigns, assert_legible):
    X, y = campaigns
    X = X[["region", "country"]].assign(**{f"x{k:02}": np.roll(X["spend_1"], k) for k in range(20)})
    model = HLMRegressor("region/country", varying="intercept", algorithm="map", random_state=0)
    display = PriorPosteriorDisplay.from_estimator(model.fit(X, y))
    assert len(display.axes_) == MOST_PANELS
    assert display.legend_.get_title().get_text() == f"{MOST_PANELS} of 25 parameters"
    assert_legible(display.figure_)


@pytest.mark.parametrize("make", [classifier, counts])
def test_priors_behind_a_link_are_in_its_units(make):
    display = PriorPosteriorDisplay.from_estimator(make(), "kappa[price]")
    sd_x = make()._spec.units.x_scale[0]
    prior = stats.norm(0, 2.5 / sd_x)
    assert stats.kstest(display.prior[0], prior.cdf).pvalue > RATE / 2


def test_parameters_set_since_the_fit_do_not_matter(campaigns):
    X, y = campaigns
    model = HLMRegressor("region", algorithm="map", random_state=0).fit(X[["region", "spend_1"]], y)
    before = PriorPosteriorDisplay.from_estimator(model, "kappa").prior
    model.set_params(covariance="full", family="normal")
    np.testing.assert_array_equal(
        PriorPosteriorDisplay.from_estimator(model, "kappa").prior, before
    )
