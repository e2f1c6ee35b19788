"""Steps that overshoot are shortened until they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skhlm.engine.quick_fit.estimate import damped, find_eta, log_posterior
from skhlm.engine.quick_fit.sweeps import first_estimate
from tests.engine.problems import make_problem, trees_of

RNG = np.random.default_rng(0)
N, J = 60, 6
LEVEL = np.arange(N) % J
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
Y = RNG.poisson(np.exp(X @ [1, 0.5] + RNG.normal(size=J)[LEVEL])).astype(float)


@pytest.fixture
def at():
    """A problem, its trees, complete pooling, and the gradient of the log posterior there."""
    problem = make_problem(X, Y, [LEVEL], "poisson")
    trees = trees_of(problem)
    pooled = first_estimate(problem)
    rows = problem.evidence
    score = rows.cell_score(rows.weight * (rows.y - np.exp(pooled.seen.eta)))
    return problem, trees, pooled, score


def value(problem, trees, estimate):
    return log_posterior(problem, find_eta(problem.evidence, trees, estimate), estimate)


def moved(estimate, step):
    return replace(estimate, delta=(estimate.delta[0] + step,))


def test_a_step_that_gains_is_taken(at):
    problem, trees, pooled, score = at
    after = moved(pooled, 1e-3 * score)
    assert damped(problem, trees, pooled, after) is not pooled
    np.testing.assert_array_equal(damped(problem, trees, pooled, after).delta[0], after.delta[0])


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_a_step_too_far_is_halved_until_it_does_not_lose(at, size):
    problem, trees, pooled, score = at
    with np.errstate(all="raise", under="ignore"):
        found = damped(problem, trees, pooled, moved(pooled, size * score))
    share = found.delta[0] / (size * score)
    np.testing.assert_allclose(share, share[0, 0], rtol=1e-9)
    halvings = -np.log2(share[0, 0])
    assert halvings == pytest.approx(round(halvings), abs=1e-9)
    assert halvings > 0
    before = value(problem, trees, pooled)
    assert value(problem, trees, found) >= before
    assert not value(problem, trees, moved(pooled, 2 * found.delta[0])) >= before


def test_a_step_downhill_is_none(at):
    problem, trees, pooled, score = at
    after = moved(pooled, -score)
    after = replace(after, log_tau=(pooled.log_tau[0] + 0.1,))
    found = damped(problem, trees, pooled, after)
    np.testing.assert_array_equal(found.delta[0], pooled.delta[0])
    np.testing.assert_array_equal(found.log_tau[0], after.log_tau[0])


def test_the_log_posterior_is_likelihood_and_priors(at):
    problem, _, pooled, score = at
    points = [moved(pooled, share * score) for share in (0.0, 1e-3)]
    points.append(replace(points[1], kappa=pooled.kappa + np.array([0.2, -0.1])))
    found, expected = [], []
    for point in points:
        beta = point.kappa[:, None] + point.delta[0][:, LEVEL]
        eta = (X.T * beta).sum(axis=0)
        tau = np.exp(point.log_tau[0][1])
        expected.append(
            stats.poisson.logpmf(Y, np.exp(eta)).sum()
            + stats.norm.logpdf(point.delta[0].T / tau).sum()
            + stats.norm(0, 2.5).logpdf(point.kappa).sum()
        )
        found.append(
            log_posterior(problem, find_eta(problem.evidence, trees_of(problem), point), point)
        )
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)
