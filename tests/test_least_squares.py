"""Least squares in cells against scikit-learn, textbook formulas and scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression

from skhlm.inputs.design import canonical_rows
from skhlm.least_squares import fit_cells


@pytest.fixture(scope="module")
def rows():
    """Cells of 3 to 30 rows with two predictors far from zero, and weights."""
    rng = np.random.default_rng(0)
    cell = np.repeat([0, 1, 2, 3], [4, 30, 4, 9])
    X = 1e4 + rng.normal(size=(47, 2)) * [1.0, 1e3]
    y = X @ [2.0, -0.01] + cell + rng.normal(size=47)
    return canonical_rows(X, y, rng.uniform(0.5, 3, 47), cell[:, None])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_every_cell_is_scikit_learns_regression(rows, fit_intercept):
    found = fit_cells(rows, fit_intercept=fit_intercept)
    for c in range(4):
        own = rows.cell == c
        line = LinearRegression(fit_intercept=fit_intercept)
        line.fit(rows.X[own], rows.y[own], rows.weight[own])
        np.testing.assert_allclose(found.slopes[c], line.coef_, rtol=1e-8)
        np.testing.assert_allclose(found.intercepts[c], line.intercept_, rtol=1e-6)
        residual = rows.y[own] - line.predict(rows.X[own])
        np.testing.assert_allclose(found.rss[c], rows.weight[own] @ residual**2, rtol=1e-6)


def test_leverage_is_the_textbooks(rows):
    found = fit_cells(rows, fit_intercept=True).with_scale(
        np.array([False, True, False, False]), rows.y
    )
    own = rows.cell == 1
    A = np.column_stack([np.ones(own.sum()), rows.X[own] - 1e4])
    x = np.array([1.0, 0.5, 300.0])
    inverse = np.linalg.inv(A.T @ (rows.weight[own, None] * A))
    sigma = np.sqrt(found.rss[1] / (rows.weight[own].sum() - 3))
    assert found.sigma == pytest.approx(sigma, rel=1e-12)
    for outcome in (True, False):
        row = found.predict(1e4 + x[None, 1:], np.array([1]), outcome=outcome)
        assert row.scale[0] == pytest.approx(sigma * np.sqrt(outcome + x @ inverse @ x), rel=1e-8)


def test_rank_counts_what_the_rows_determine():
    X = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [1.0, 0.0], [1.0, 1.0], [1.0, 5.0]])
    cell = np.array([0, 0, 0, 1, 1, 1])
    rows = canonical_rows(X, np.arange(6.0), np.ones(6), cell[:, None])
    assert fit_cells(rows, fit_intercept=True).rank.tolist() == [2, 2]
    assert fit_cells(rows, fit_intercept=False).rank.tolist() == [1, 2]


@pytest.fixture(scope="module")
def distributions(rows):
    regressions = fit_cells(rows, fit_intercept=True).with_scale(np.ones(4, dtype=bool), rows.y)
    return regressions, regressions.predict(rows.X[:8], rows.cell[:8])


def test_distributions_are_scipys(rows, distributions):
    _, found = distributions
    assert found.df == pytest.approx(rows.weight.sum() - 12)
    exact = stats.t(found.df, found.mean, found.scale)
    y = rows.y[:8]
    np.testing.assert_allclose(found.log_density(y), exact.logpdf(y), rtol=1e-12)
    np.testing.assert_allclose(found.std, exact.std(), rtol=1e-12)
    expected = np.column_stack([exact.ppf(p) for p in (0.05, 0.5, 0.99)])
    np.testing.assert_allclose(found.quantiles([0.05, 0.5, 0.99]), expected, rtol=1e-12)
    draws = found.mean[:, None] + found.scale[:, None] * stats.t(found.df).ppf(
        (np.arange(20000) + 0.5) / 20000
    )
    first = np.abs(draws - y[:, None]).mean(axis=1)
    rank = 2 * np.arange(20000) + 1 - 20000
    np.testing.assert_allclose(found.crps(y), first - draws @ rank / 20000**2, rtol=1e-3)


def test_joint_density_is_scipys_multivariate_t(rows, distributions):
    regressions, _ = distributions
    chosen = np.array([0, 1, 2, 5, 6, 35, 40])
    X, cell, y = rows.X[chosen], rows.cell[chosen], rows.y[chosen] + 1
    phi = np.column_stack([np.ones(7), X - regressions.center[cell]])
    spread = np.einsum("nk,nkj->nj", phi, regressions.root[cell])
    shape = np.eye(7) + (cell[:, None] == cell) * (spread @ spread.T)
    mean = regressions.predict(X, cell).mean
    exact = stats.multivariate_t(mean, regressions.sigma**2 * shape, regressions.df)
    found = regressions.joint_log_density(X, cell, y, np.ones(7))
    assert found == pytest.approx(exact.logpdf(y), rel=1e-9)
    alone = regressions.joint_log_density(X[:1], cell[:1], y[:1], np.ones(1))
    row = regressions.predict(X[:1], cell[:1])
    assert alone == pytest.approx(row.log_density(y[:1])[0], rel=1e-9)
    twice = regressions.joint_log_density(X, cell, y, np.full(7, 2.0))
    again = regressions.joint_log_density(
        *(np.tile(a, 2) if a.ndim == 1 else np.tile(a, (2, 1)) for a in (X, cell, y)), np.ones(14)
    )
    assert twice == pytest.approx(again, rel=1e-9)


def test_without_degrees_of_freedom_nothing_is_known_of_the_spread():
    rows = canonical_rows(
        np.array([[0.0], [1.0]]), np.array([1.0, 3.0]), np.ones(2), np.zeros((2, 1), int)
    )
    line = fit_cells(rows, fit_intercept=True).with_scale(np.array([True]), rows.y)
    row = line.predict(np.array([[2.0]]), np.array([0]))
    assert row.mean == pytest.approx([5.0])
    np.testing.assert_array_equal(row.quantiles([0.1, 0.5, 0.9])[0, [0, 2]], [-np.inf, np.inf])
    assert row.quantiles([0.5])[0, 0] == pytest.approx(5.0)
    assert row.std[0] == np.inf
    assert row.crps(np.array([5.0]))[0] == np.inf
    assert row.log_density(np.array([5.0]))[0] == -np.inf
    assert (
        line.joint_log_density(np.array([[2.0]]), np.array([0]), np.array([5.0]), np.ones(1))
        == -np.inf
    )


def test_a_perfect_fit_keeps_a_little_spread():
    x = np.arange(6.0)[:, None]
    rows = canonical_rows(x, np.zeros(6), np.ones(6), np.zeros((6, 1), int))
    line = fit_cells(rows, fit_intercept=True).with_scale(np.array([True]), rows.y)
    row = line.predict(x[:1], np.array([0]))
    assert 0 < line.sigma < 1e-300
    assert np.isfinite(row.log_density(np.zeros(1))).all()
