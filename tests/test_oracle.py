"""The oracle, checked on itself: against quadrature, closed forms and the marginal covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from tests.chance import SHIFT, assert_near
from tests.link_oracle import OUTCOMES, LinkModel, link_posterior
from tests.oracle import (
    Factor,
    Model,
    Scales,
    condition,
    log_density,
    moments,
    normal_draws,
    normal_posterior,
    student_posterior,
    unpack,
)


def one_factor(n: int = 60, n_levels: int = 8, **settings) -> Model:
    """Unequal levels around different means."""
    rng = np.random.default_rng(0)
    codes = np.sort(rng.choice(n_levels, n, p=rng.dirichlet(2 * np.ones(n_levels))))
    y = 0.5 + 0.8 * rng.normal(size=n_levels)[codes] + rng.normal(size=n)
    return Model(np.ones((n, 1)), y, (Factor(codes, n_levels, (0,)),), **settings)


def crossed(full: bool) -> Model:
    """Two crossed factors, one with an intercept and two slopes, and a kappa prior off zero."""
    rng = np.random.default_rng(1)
    X = np.c_[np.ones(50), rng.normal(size=(50, 2))]
    return Model(
        X,
        rng.normal(size=50),
        (
            Factor(rng.integers(0, 4, 50), 4, (0, 1, 2)),
            Factor(rng.integers(0, 6, 50), 6, (2,), ((3.0, 0.1, 0.7),)),
        ),
        kappa_loc=np.array([0.3, -1.0, 0.5]),
        kappa_scale=np.array([1.0, 2.0, 0.4]),
        full=full,
    )


def marginal_law(model: Model, sigma: float, covariances: list) -> tuple:
    """Mean and covariance of theta a priori, and covariance of y with theta integrated out."""
    blocks = [np.eye(model.X.shape[1]) * np.broadcast_to(model.kappa_scale, model.X.shape[1]) ** 2]
    blocks += [
        np.kron(np.eye(f.n_levels), S) for f, S in zip(model.factors, covariances, strict=True)
    ]
    size = sum(map(len, blocks))
    prior, at = np.zeros((size, size)), 0
    for block in blocks:
        prior[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    mean = np.zeros(size)
    mean[: model.X.shape[1]] = model.kappa_loc
    noise = sigma**2 * np.diag(1 / model.w)
    return mean, prior, model.D @ prior @ model.D.T + noise


@pytest.mark.parametrize("full", [False, True])
def test_marginal_likelihood_is_that_of_the_marginal_covariance(full):
    """log p(y | phi) by precisions equals the multivariate normal with D S D' + sigma^2 I."""
    model = crossed(full)
    phi = 0.5 * np.random.default_rng(2).normal(size=(5, model.n_scales))
    scales, _ = unpack(model, phi)
    found = condition(model, moments(model), scales)
    expected = []
    for s in range(len(phi)):
        covariances = [
            np.outer(tau[s], tau[s]) * omega[s]
            for tau, omega in zip(scales.tau, scales.omega, strict=True)
        ]
        mean, prior, of_y = marginal_law(model, scales.sigma[s], covariances)
        expected.append(stats.multivariate_normal.logpdf(model.y, model.D @ mean, of_y))
        gain = prior @ model.D.T @ np.linalg.inv(of_y)
        posterior_mean = mean + gain @ (model.y - model.D @ mean)
        np.testing.assert_allclose(found.mean[s], posterior_mean, rtol=1e-8, atol=1e-9)
        posterior = prior - gain @ model.D @ prior
        np.testing.assert_allclose(found.variance[s], np.diag(posterior), rtol=1e-7, atol=1e-9)
    constant = found.log_marginal - np.array(expected)
    np.testing.assert_allclose(constant, constant[0], rtol=0, atol=1e-9)


def test_one_factor_intercept_equals_grid_quadrature():
    """Every mean and sd against a trapezoid grid over (log tau, log sigma)."""
    model = one_factor()
    log_tau, log_sigma = np.meshgrid(np.linspace(-9, 4, 150), np.linspace(-0.8, 0.9, 50))
    tau, sigma = np.exp(log_tau.ravel()), np.exp(log_sigma.ravel())
    log_p, means, variances = [], [], []
    for t, s in zip(tau, sigma, strict=True):
        mean, prior, of_y = marginal_law(model, s, [np.array([[t**2]])])
        likelihood = stats.multivariate_normal.logpdf(model.y, np.zeros(len(model.y)), of_y)
        scale_priors = stats.halfcauchy.logpdf([t, s], scale=2.5).sum() + np.log(t * s)
        log_p.append(likelihood + scale_priors)
        gain = prior @ model.D.T @ np.linalg.inv(of_y)
        means.append(gain @ model.y)
        variances.append(np.diag(prior - gain @ model.D @ prior))
    weight = special.softmax(log_p)
    means, variances = np.array(means), np.array(variances)
    theta_mean = weight @ means
    theta_sd = np.sqrt(weight @ (variances + (means - theta_mean) ** 2))
    found = normal_posterior(model, seed=SHIFT)
    expected = {
        "tau": (weight @ tau, np.sqrt(weight @ tau**2 - (weight @ tau) ** 2)),
        "sigma": (weight @ sigma, np.sqrt(weight @ sigma**2 - (weight @ sigma) ** 2)),
        "kappa": (theta_mean[0], theta_sd[0]),
        "delta": (theta_mean[1:], theta_sd[1:]),
    }
    for name, (mean, sd) in expected.items():
        estimate = getattr(found, name)
        estimate = estimate[0] if isinstance(estimate, list) else estimate
        assert_near(estimate.mean.ravel(), mean, estimate.mean_error.ravel())
        assert_near(estimate.sd.ravel(), sd, estimate.sd_error.ravel())
    assert found.ess > 5000
    assert found.largest_weight < 0.01


def test_tight_priors_give_the_closed_form():
    """theta_k = (1 - B_k) ybar_k + B_k mu, with mu, tau and sigma given."""
    tau, sigma, mu = 0.7, 1.1, 0.4
    model = one_factor(kappa_loc=mu, kappa_scale=1e-5, sigma_prior=(np.inf, sigma, 1e-5))
    factor = replace(model.factors[0], tau_priors=((np.inf, tau, 1e-5),))
    found = normal_posterior(replace(model, factors=(factor,)), n_draws=4000)
    n = np.bincount(factor.codes)
    B = (sigma**2 / n) / (tau**2 + sigma**2 / n)
    ybar = np.bincount(factor.codes, model.y) / n
    np.testing.assert_allclose(mu + found.delta[0].mean[:, 0], (1 - B) * ybar + B * mu, atol=1e-4)
    np.testing.assert_allclose(found.delta[0].sd[:, 0], tau * np.sqrt(B), atol=1e-4)


def test_weights_are_repetition():
    model = one_factor()
    weight = np.random.default_rng(3).integers(1, 4, len(model.y))
    repeated = np.repeat(np.arange(len(model.y)), weight)
    longer = Model(
        model.X[repeated], model.y[repeated], (Factor(model.factors[0].codes[repeated], 8, (0,)),)
    )
    phi = np.random.default_rng(4).normal(size=(5, 2))
    np.testing.assert_allclose(
        log_density(replace(model, weight=weight.astype(float)), phi), log_density(longer, phi)
    )


@pytest.mark.parametrize("shape", [1.0, 2.0, 4.0])
def test_correlations_follow_lkj(shape):
    """(rho + 1)/2 ~ beta(a, a), a = shape - 1 + K/2, hence E rho^2 and E rho^4, each pair alike.

    Within four standard errors of the importance sampling; two moments of three pairs.
    """
    K, rng = 3, np.random.default_rng(5)
    factor = Factor(np.zeros(1, dtype=np.int64), 1, (0, 1, 2))
    model = Model(np.ones((1, K)), np.ones(1), (factor,), full=True, lkj=shape)
    u = rng.standard_t(3, size=(200_000, 3))
    scales, log_prior = unpack(model, np.c_[np.zeros((len(u), 1 + K)), u])
    weight = special.softmax(log_prior - stats.t.logpdf(u, 3).sum(axis=1))
    a = shape - 1 + K / 2
    expected = {2: 1 / (2 * a + 1), 4: 3 / ((2 * a + 1) * (2 * a + 3))}
    for i, j in ((1, 0), (2, 0), (2, 1)):
        for power, value in expected.items():
            x = scales.omega[0][:, i, j] ** power
            error = np.sqrt(weight**2 @ (x - value) ** 2)
            assert abs(weight @ x - value) < 4 * error


def test_prior_densities_are_student_t_in_log_coordinates():
    factor = Factor(np.zeros(1, dtype=np.int64), 1, (0,), ((3.0, 0.2, 0.5),))
    model = Model(np.ones((1, 1)), np.ones(1), (factor,), sigma_prior=(np.inf, 1.0, 0.3))
    phi = np.random.default_rng(6).normal(size=(6, 2))
    sigma, tau = np.exp(phi).T
    expected = stats.norm.logpdf(sigma, 1.0, 0.3) + stats.t.logpdf(tau, 3, 0.2, 0.5) + phi.sum(1)
    difference = unpack(model, phi)[1] - expected
    np.testing.assert_allclose(difference, difference[0], atol=1e-12)


def test_draws_have_the_conditional_moments():
    model = one_factor(n=20, n_levels=3)
    scales = Scales(np.full(40_000, 0.9), [np.full((40_000, 1), 0.6)], [np.ones((40_000, 1, 1))])
    given = condition(model, moments(model), scales)
    draws = given.draw(np.random.default_rng(7))
    covariance = np.linalg.inv(given.C[0] @ given.C[0].T)
    z = (draws.mean(axis=0) - given.mean[0]) / np.sqrt(np.diag(covariance) / len(draws))
    assert np.all(np.abs(z) < 4)
    sd = np.sqrt(np.diag(covariance))
    error = np.sqrt((1 + (covariance / np.outer(sd, sd)) ** 2) / len(draws))
    assert np.all(np.abs(np.cov(draws.T) - covariance) / np.outer(sd, sd) < 4 * error)


def test_draws_of_the_posterior_have_its_moments():
    """Resampled from about 8,000 effective draws: errors of twice 1/sqrt(10,000) for safety."""
    model = one_factor()
    posterior = normal_posterior(model, seed=SHIFT + 1)
    scales, theta = normal_draws(model, seed=SHIFT)
    found = [(scales.tau[0], posterior.tau[0]), (theta[:, 1:], posterior.delta[0])]
    found += [(scales.sigma, posterior.sigma), (theta[:, :1], posterior.kappa)]
    for draws, expected in found:
        error = 2 * expected.sd.ravel() / np.sqrt(len(theta))
        assert_near(draws.mean(axis=0), expected.mean.ravel(), error)
        assert np.all(np.abs(draws.std(axis=0) / expected.sd.ravel() - 1) < 0.05)


def test_student_location_and_scale_equal_grid_quadrature():
    """No factor: kappa, sigma and nu against a grid over three numbers."""
    y = 0.3 + np.random.default_rng(8).standard_t(3, size=30)
    model = Model(np.ones((30, 1)), y, ())
    kappa, log_sigma, log_nu = np.meshgrid(
        np.linspace(-1.5, 2, 71), np.linspace(-1.8, 1.3, 61), np.linspace(-6, 5.5, 116)
    )
    sigma, nu = np.exp(log_sigma), 1 + np.exp(log_nu)
    log_p = sum(stats.t.logpdf(value, nu, kappa, sigma) for value in y)
    log_p += stats.norm.logpdf(kappa, 0, 10) + stats.halfcauchy.logpdf(sigma, scale=2.5)
    log_p += stats.gamma.logpdf(nu, 2, scale=10) + log_sigma + log_nu
    weight = special.softmax(log_p)
    found = student_posterior(model, seed=SHIFT)
    for estimate, grid in ((found.kappa, kappa), (found.sigma, sigma), (found.nu, nu)):
        mean = np.sum(weight * grid)
        sd = np.sqrt(np.sum(weight * (grid - mean) ** 2))
        assert_near(estimate.mean.item(), mean, estimate.mean_error.item())
        assert_near(estimate.sd.item(), sd, estimate.sd_error.item())


def test_student_with_many_degrees_of_freedom_is_normal():
    """nu ~ gamma with mean 10^5: the two samplers, which share only the Gaussian part, agree."""
    model = one_factor()
    normal = normal_posterior(model, seed=SHIFT)
    student = student_posterior(replace(model, nu_prior=(1e4, 1e-1)), n_draws=800, seed=SHIFT)
    pairs = [(normal.kappa, student.kappa), (normal.sigma, student.sigma)]
    pairs += [*zip(normal.tau + normal.delta, student.tau + student.delta, strict=True)]
    for a, b in pairs:
        assert_near(a.mean, b.mean, np.hypot(a.mean_error, b.mean_error))
        assert_near(a.sd, b.sd, np.hypot(a.sd_error, b.sd_error))


@pytest.mark.parametrize("family", OUTCOMES)
def test_slopes_and_curvatures_of_outcomes(family):
    """Differences of the log density, which is scipy's."""
    outcome, s, h = OUTCOMES[family], np.array(1.7), 1e-4
    y = np.array([0.0, 1.0]) if family == "binomial" else np.array([1.0, 4.0])
    eta = np.array([-1.2, 0.8])
    low, middle, high = (outcome.log_density(y, eta + step, s) for step in (-h, 0, h))
    np.testing.assert_allclose(outcome.score(y, eta, s), (high - low) / (2 * h), rtol=1e-5)
    np.testing.assert_allclose(
        outcome.curvature(y, eta, s), -(high - 2 * middle + low) / h**2, rtol=1e-4
    )


def test_link_posterior_without_factors_is_a_plane():
    """An intercept and the overdispersion, half of the rows counted twice, by a grid."""
    rng = np.random.default_rng(2)
    y, weight, offset = rng.poisson(3, 30).astype(float), np.tile([1.0, 2], 15), rng.normal(size=30)
    prior = (4.0, 0.2, 0.8)
    model = LinkModel(
        *(np.ones((30, 1)), y, ()),
        weight=weight,
        kappa_loc=0.5,
        kappa_scale=1.5,
        sigma_prior=prior,
        family="negative_binomial",
        offset=offset,
    )
    kappa, o = np.linspace(-2, 4, 250)[:, None], np.linspace(0.005, 4, 250)
    mean = np.exp(offset[:, None, None] + kappa)
    log_p = stats.nbinom.logpmf(y[:, None, None], o**-2, 1 / (1 + mean * o**2))
    log_p = np.tensordot(weight, log_p, axes=1) + stats.norm.logpdf(kappa, 0.5, 1.5)
    p = special.softmax(log_p + stats.t.logpdf(o, *prior))
    found = link_posterior(model, seed=SHIFT)
    for x, marginal, ours in (
        (kappa[:, 0], p.sum(axis=1), found.kappa),
        (o, p.sum(axis=0), found.sigma),
    ):
        exact = marginal @ x, np.sqrt(marginal @ (x - marginal @ x) ** 2)
        assert_near(
            [ours.mean.item(), ours.sd.item()],
            exact,
            [ours.mean_error.item(), ours.sd_error.item()],
        )
