from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.engine.quick_fit.tau_marginals import (
    Collapsed,
    log_marginal,
    marginal_scales,
)
from skhlm.numerics.elimination import Message, condition, diagonal_precision, integrate
from skhlm.numerics.forest import leaf_sums
from skhlm.numerics.quantiles import TAILS
from tests.engine.problems import location_scale, make_problem, trees_of

N, SIGMA = 24, 0.7
RNG = np.random.default_rng(3)
COUNTRY = np.arange(N) % 6
REGION = COUNTRY // 2
X = np.column_stack([np.ones(N), RNG.normal(size=N)])
Y = X @ [2, 1] + RNG.normal(size=6)[COUNTRY] + SIGMA * RNG.normal(size=N)
GRID = np.linspace(-5, 3, 9)
LOG_TAU = (np.log([0.8, 0.3]), np.log([0.5, 1.2]))


def tree_message(varying=None, about=0.0):
    """The problem, its tree, and the message of normal rows about kappa = ``about``."""
    prior = location_scale(2, np.inf, 0.5, 3)
    problem = make_problem(X, Y, [REGION, COUNTRY], varying=varying, kappa=prior)
    (tree,) = trees_of(problem)
    rows = problem.evidence
    precision = rows.weight / SIGMA**2
    score = rows.cell_score(precision * (rows.y - about * rows.X.sum(axis=0)))
    information = rows.cell_information(precision)
    message = Message(leaf_sums(tree, information), leaf_sums(tree, score))
    return problem, tree, message


def dense_log_evidence(problem, log_tau):
    """log p(y | tau, sigma) with kappa and all effects integrated out."""
    prior = problem.priors.kappa
    covariance = problem.X @ np.diag(prior.scale**2) @ problem.X.T + SIGMA**2 * np.eye(N)
    for g, a in enumerate(problem.varying):
        level = problem.codes[problem.cell, g]
        same = level[:, None] == level
        Z = problem.X[:, a] * np.exp(log_tau[g])
        covariance += same * (Z @ Z.T)
    return stats.multivariate_normal(problem.X @ prior.loc, covariance).logpdf(problem.y)


@pytest.mark.parametrize("about", [0.0, 1.3])
@pytest.mark.parametrize("varying", [[[0, 1], [0, 1]], [[1], [0, 1]], [[0], [1]]])
@pytest.mark.parametrize("g", [0, 1])
def test_marginal_is_the_dense_evidence(g, varying, about):
    problem, tree, message = tree_message(varying, about)
    fixed = [log_tau[np.array(a)] for log_tau, a in zip(LOG_TAU, varying, strict=True)]
    root = problem.priors.kappa.normal_stand_in(about)
    below, above = message, ((tree.layers[0], diagonal_precision(fixed[0])),)
    if g == 0:
        leaf = condition(tree.layers[1], message, diagonal_precision(fixed[1]))
        below, above = integrate(leaf), ()
    collapsed = Collapsed(tree.layers[g], below, fixed[g], above, root, problem.priors.tau[g])
    for k in range(len(fixed[g])):
        found = log_marginal(GRID, k, collapsed) - problem.priors.tau[g].log_density_of_log(GRID, k)
        expected = []
        for x in GRID:
            trial = [log_tau.copy() for log_tau in fixed]
            trial[g][k] = x
            expected.append(dense_log_evidence(problem, trial))
        np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], atol=1e-8)


def test_quantiles_by_brute_force():
    problem, tree, message = tree_message()
    root = problem.priors.kappa.normal_stand_in()
    start = tuple(x + np.array([[-1.0], [0.0], [0.75]]) for x in LOG_TAU)
    for _ in range(2):
        found = marginal_scales(message, tree, problem.priors, root, start, 25)
        start = found
    x = np.linspace(-9, 5, 1401)
    for k in range(2):
        trial = [found[0][1].copy(), found[1][1].copy()]
        density = []
        for value in x:
            trial[0][k] = value
            density.append(dense_log_evidence(problem, trial))
        density = np.array(density) + problem.priors.tau[0].log_density_of_log(x, k)
        mass = np.cumsum(np.exp(density - density.max()))
        expected = np.interp(TAILS, mass / mass[-1], x)
        if k == 1:  # the last one updated: all others are where they were
            np.testing.assert_allclose(found[0][:, k], expected, atol=0.03)
        np.testing.assert_allclose(found[0][:, k], expected, atol=0.2)
