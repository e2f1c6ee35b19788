"""Normal residuals: rows as cells' triangles, and the quick fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skhlm.families import Evidence, Normal
from skhlm.families.location import ErrorScale
from skhlm.numerics.quantiles import TAILS
from tests.engine.problems import location_scale, make_problem

RNG = np.random.default_rng(1)


def compressed(problem):
    """X (M, K), y, first row of each cell and rss of the problem's evidence."""
    rows = problem.evidence
    np.testing.assert_array_equal(rows.weight, 1)
    start = np.searchsorted(rows.cell, np.arange(rows.n_cells + 1))
    return rows.X.T, rows.y, start, rows.rss


def cell_squares(X, y, start, b):
    """Sum over each cell of (y - x'b)^2, for b (C, K)."""
    residual = y - (X * np.repeat(b, np.diff(start), axis=0)).sum(axis=1)
    return np.bincount(np.repeat(np.arange(len(b)), np.diff(start)), residual**2, len(b))


@pytest.mark.parametrize("K", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_coefficient_sees_the_same_squares(K, weighted):
    n = 300
    cell = RNG.choice(60, n, p=RNG.dirichlet(np.full(60, 0.5)))  # cells of one row, and of many
    X = np.column_stack([np.ones(n), RNG.normal(size=(n, K - 1))])
    weight = RNG.uniform(0.2, 5, n) if weighted else None
    problem = make_problem(X, RNG.normal(size=n), [cell], weight=weight)
    Z, u, start, rss = compressed(problem)
    size = np.bincount(problem.cell)
    np.testing.assert_array_equal(np.diff(start), np.minimum(size, K))
    rows = np.concatenate([[0], np.cumsum(size)])
    root = np.sqrt(problem.weight)
    for _ in range(3):
        b = RNG.normal(size=(len(size), K))
        whole = cell_squares(problem.X * root[:, None], problem.y * root, rows, b)
        assert cell_squares(Z, u, start, b).sum() + rss == pytest.approx(whole.sum(), rel=1e-12)


def test_differences_between_coefficients_agree_cell_by_cell():
    problem = make_problem(RNG.normal(size=(200, 3)), RNG.normal(size=200), [np.arange(200) % 7])
    Z, u, start, _ = compressed(problem)
    rows = np.concatenate([[0], np.cumsum(np.bincount(problem.cell))])
    b, other = RNG.normal(size=(2, 7, 3))
    expected = cell_squares(problem.X, problem.y, rows, b) - cell_squares(
        problem.X, problem.y, rows, other
    )
    found = cell_squares(Z, u, start, b) - cell_squares(Z, u, start, other)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_small_cells_keep_their_rows():
    problem = make_problem(RNG.normal(size=(6, 3)), RNG.normal(size=6), [np.arange(6) // 2])
    X, y, start, rss = compressed(problem)
    np.testing.assert_array_equal(X, problem.X)
    np.testing.assert_array_equal(y, problem.y)
    np.testing.assert_array_equal(start, [0, 2, 4, 6])
    assert rss == 0


def test_rank_deficient_cells():
    X = np.column_stack([np.ones(40), np.arange(40) // 10, np.zeros(40)])  # constant within a cell
    problem = make_problem(X, RNG.normal(size=40), [np.arange(40) // 10])
    Z, u, _, rss = compressed(problem)
    b = RNG.normal(size=3)
    expected = np.square(problem.y - problem.X @ b).sum()
    assert rss + np.square(u - Z @ b).sum() == pytest.approx(expected, rel=1e-12)


def test_no_predictors():
    problem = make_problem(np.zeros((5, 0)), np.arange(5.0), [], weight=np.full(5, 2.0))
    X, y, start, rss = compressed(problem)
    assert X.shape == (0, 0)
    assert y.shape == (0,)
    np.testing.assert_array_equal(start, [0, 0])
    assert rss == pytest.approx(60)


def test_normal_scale_is_the_posterior():
    prior = {"sigma": location_scale(1, 1, 0, 2.5)}
    start = ErrorScale.vague(0.1, None, 0.0)
    cell = np.zeros(3, dtype=np.int64)
    evidence = Evidence.of_rows(np.ones((3, 1)), np.array([-1.0, 0, 1]), np.ones(3), cell, 1)
    found = Normal().fit_scale(evidence, np.full(3, 40.0), 30.0, prior, start, 25)
    x = np.linspace(-1, 3, 20001)
    density = -30 * x - 60 * np.exp(-2 * x) + stats.cauchy(0, 2.5).logpdf(np.exp(x)) + x
    mass = np.cumsum(np.exp(density - density.max()))
    low, middle, high = np.interp(TAILS, mass / mass[-1], x)
    assert found.log_nu is None
    assert found.log_sigma[0] == pytest.approx(middle, abs=0.002)
    assert found.log_sigma[1] == pytest.approx((high - low) / 2 / stats.norm.ppf(0.95), rel=0.01)
