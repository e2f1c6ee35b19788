"""Pooling behind a link: closed forms, maximum likelihood by scipy, information by its formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from skhlm.draws import Draws
from skhlm.families import find_family
from skhlm.inputs.design import Units, canonical_rows
from skhlm.posterior import Posterior
from skhlm.reports.pooling import learn_level_data, shrinkage_factors
from tests.posterior.link_posteriors import CURVED
from tests.reports.test_pooling import make_groups, repeat

MU, TAU = 0.4, 0.7
CENTRED = Units(True, 0.0, 1.0, np.empty(0), np.empty(0))


def make_simple(name, y, level, weight, offset=None, delta=0.0):
    """One factor, a varying intercept, and the same draw over and over; codes of levels, too."""
    family = find_family(name)
    groups, codes = make_groups("g", g=np.asarray(level))
    X = np.empty((len(y), 0)) if offset is None else np.asarray(offset)[:, None]
    rows = canonical_rows(X, np.asarray(y, float), np.asarray(weight, float), codes)
    draws = Draws(
        kappa=repeat([MU], 200),
        delta=(repeat(np.full((groups.n_levels[0], 1), delta), 200),),
        tau=(repeat([TAU], 200),),
        omega=(),
        auxiliary={parameter.name: repeat(0.5, 200) for parameter in family.auxiliary},
    )
    units = replace(CENTRED, has_offset=offset is not None)
    posterior = Posterior.from_draws(draws, (np.array([0]),), units, family)
    return shrinkage_factors(posterior, learn_level_data(rows, posterior, groups), groups, 0, 0.9)


def test_shares_are_the_closed_form():
    """Shrinkage 1 / (1 + tau^2 m p (1 - p)), and log odds of what was seen."""
    y, trials = np.array([0.25, 0.5, 0.9]), np.array([8.0, 40.0, 10.0])
    found = make_simple("binomial", y, ["a", "b", "c"], trials)
    p = 1 / (1 + np.exp(-MU))
    information = trials * p * (1 - p)
    np.testing.assert_allclose(found.shrinkage[:, 0], 1 / (1 + TAU**2 * information), rtol=1e-10)
    np.testing.assert_allclose(found.none.mean[:, 0], np.log(y / (1 - y)), atol=1e-9)
    half = stats.norm.ppf(0.95) / np.sqrt(information)
    np.testing.assert_allclose(found.none.upper[:, 0] - found.none.mean[:, 0], half, rtol=2e-3)
    np.testing.assert_allclose(found.complete.mean[:, 0], MU, rtol=1e-12)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial", "gamma"])
def test_rates_are_events_over_exposure(name):
    """Where all rows of a level have one exposure: the log of the mean over it."""
    y = [3.0, 5.0, 40.0, 20.0, 24.0]
    exposure = np.array([2.0, 2.0, 10.0, 10.0, 10.0])
    level, weight = ["a", "a", "b", "b", "b"], np.array([1.0, 3.0, 1.0, 2.0, 1.0])
    found = make_simple(name, y, level, weight, np.log(exposure))
    expected = [(3 + 15) / 4 / 2, (40 + 40 + 24) / 4 / 10]
    np.testing.assert_allclose(found.none.mean[:, 0], np.log(expected), rtol=1e-8)
    mu = np.exp(MU) * exposure
    row = {"poisson": mu, "negative_binomial": mu / (1 + mu / 4), "gamma": np.full(5, 4.0)}[name]
    information = np.array([(weight * row)[:2].sum(), (weight * row)[2:].sum()])
    np.testing.assert_allclose(found.shrinkage[:, 0], 1 / (1 + TAU**2 * information), rtol=1e-10)


@pytest.mark.parametrize("name", ["binomial", "poisson", "negative_binomial"])
def test_levels_without_an_event_say_nothing_finite(name):
    y = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]
    level = ["none", "none", "some", "some", "all", "all"]
    found = make_simple(name, y, level, np.ones(6), delta=0.3)
    all_, none, some = found.none.mean[:, 0]  # in the order of labels
    assert np.isnan(none)
    assert np.isfinite(some)
    assert np.isnan(all_) == (name == "binomial")
    assert np.isfinite(found.shrinkage).all()
    assert np.isfinite(found.partial.mean).all()


def make_slopes(name, seed=0):
    """Two crossed factors, intercept and slope by the first, and arbitrary draws."""
    rng, family = np.random.default_rng(seed), find_family(name)
    n = 240
    groups, codes = make_groups(
        ["g", "h"], g=rng.choice(["a", "b", "c"], n), h=rng.choice(["u", "v"], n)
    )
    X, weight = rng.normal(2, 1.5, (n, 1)), rng.integers(1, 4, n).astype(float)
    varying = (np.array([0, 1]), np.array([0]))
    auxiliary = {
        parameter.name: 0.4 + 0.02 * rng.normal(size=(1, 50)) for parameter in family.auxiliary
    }
    draws = Draws(
        kappa=np.array([0.3, 0.2]) + 0.1 * rng.normal(size=(1, 50, 2)),
        delta=tuple(
            0.3 * rng.normal(size=(1, 1, J, len(k))) + 0.1 * rng.normal(size=(1, 50, J, len(k)))
            for J, k in zip(groups.n_levels, varying, strict=True)
        ),
        tau=tuple(rng.gamma(20, 0.02, size=(1, 50, len(k))) for k in varying),
        omega=(),
        auxiliary=auxiliary,
    )
    units = Units(True, 0.0, 1.0, np.array([2.0]), np.array([1.0]))
    posterior = Posterior.from_draws(draws, varying, units, family)
    eta = posterior.mean.expected_value(units.centred(X), codes)[:, 0]
    aux = {name: values.mean(keepdims=True) for name, values in posterior.auxiliary.items()}
    y = family.draw(eta, aux, rng)
    return canonical_rows(X, y, weight, codes), posterior, groups


@pytest.mark.parametrize("name", CURVED)
def test_no_pooling_is_maximum_likelihood_of_the_own_rows(name):
    rows, posterior, groups = make_slopes(name)
    data = learn_level_data(rows, posterior, groups)
    family = posterior.family
    aux = {name: values.mean(keepdims=True) for name, values in posterior.auxiliary.items()}
    Z, codes = posterior.units.centred(rows.X), rows.codes[rows.cell]
    for level in range(3):
        own = codes[:, 0] == level
        rest = codes[own].copy()
        rest[:, 0] = -2
        eta = posterior.mean.expected_value(Z[own], rest)[:, 0]
        eta -= Z[own] @ posterior.mean.kappa[:, 0]

        def loss(theta, own=own, eta=eta):
            at = eta + Z[own] @ theta
            return -(rows.weight[own] * family.log_density(rows.y[own], at, aux)).sum()

        oracle = optimize.minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-7})
        np.testing.assert_allclose(data.estimate[0][level], oracle.x, atol=1e-4)


@pytest.mark.parametrize("name", CURVED)
def test_shrinkage_is_the_formula_at_the_mean_information(name):
    rows, posterior, groups = make_slopes(name)
    Z, codes = posterior.units.centred(rows.X), rows.codes[rows.cell]
    eta = posterior.draws.expected_value(Z, codes)
    information = posterior.family.information(eta, posterior.auxiliary)
    weight = rows.weight * np.broadcast_to(information, eta.shape).mean(axis=1)
    data = learn_level_data(rows, posterior, groups)
    for g, columns in enumerate(posterior.varying):
        found = shrinkage_factors(posterior, data, groups, g).shrinkage
        for level in range(groups.n_levels[g]):
            own = codes[:, g] == level
            z = Z[own][:, columns]
            G = (weight[own, None] * z).T @ z
            expected = np.zeros(len(columns))
            for s in range(50):
                prior = np.linalg.inv(posterior.covariance(g)[:, :, s])
                expected += np.diag(np.linalg.inv(G + prior)) / posterior.tau[g][:, s] ** 2 / 50
            np.testing.assert_allclose(found[level], expected, rtol=1e-8)


def test_far_from_the_start_the_search_ends_where_it_should():
    """A partial-pooling estimate that is off by many orders of magnitude."""
    found = make_simple("poisson", [5.0e6, 1.0], ["a", "b"], [1.0, 1.0], delta=-9.0)
    np.testing.assert_allclose(found.none.mean[:, 0], [np.log(5e6), 0.0], atol=1e-7)
