"""What the likelihood sees of the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skhlm.families import FAMILIES, Evidence
from tests.engine.problems import make_problem

RNG = np.random.default_rng(1)


def test_moments_are_those_of_the_weighted_rows():
    X, y, weight = RNG.normal(size=(30, 2)), RNG.normal(5, 2, 30), RNG.integers(1, 4, 30)
    rows = Evidence.of_rows(X, y, weight.astype(float), np.arange(30) // 10, 3)
    repeated = y.repeat(weight)
    assert rows.n_obs == len(repeated)
    assert rows.mean == pytest.approx(repeated.mean())
    assert rows.spread == pytest.approx(repeated.std())
    assert rows.largest == np.abs(y).max()
    assert rows.size(y) == pytest.approx(np.sqrt(np.square(repeated).mean()))
    lost = replace(rows, rss=100.0)
    assert lost.size(y) ** 2 - rows.size(y) ** 2 == pytest.approx(100 / len(repeated))


def test_outcomes_that_are_equal_have_the_spread_of_the_unit():
    rows = Evidence.of_rows(np.ones((3, 1)), np.zeros(3), np.ones(3), np.zeros(3, int), 1, 7.0)
    assert rows.spread == 7
    assert rows.rounding == 7e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_evidence_of_two_parts_is_that_of_the_whole(family):
    n, cell = 400, RNG.integers(7, size=400)
    cell[:7] = np.arange(7)  # every part has every cell
    cell[-7:] = np.arange(7)
    X, y = np.column_stack([np.ones(n), RNG.normal(size=(n, 2))]), 50 + RNG.normal(size=n)
    weight = RNG.uniform(0.2, 5, n)
    parts = [
        make_problem(X[i], y[i], [cell[i]], family, weight=weight[i])
        for i in (np.s_[:150], np.s_[150:])
    ]
    whole = make_problem(X, y, [cell], family, weight=weight).evidence
    merged = parts[0].family.merge(*(part.evidence for part in parts))
    for name in ("n_obs", "rss", "mean", "variance", "largest", "rounding"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-11)
    b = RNG.normal(size=(7, 3))
    squares = [
        np.bincount(rows.cell, rows.weight * (rows.y - (rows.X.T * b[rows.cell]).sum(axis=1)) ** 2)
        for rows in (merged, whole)
    ]
    np.testing.assert_allclose(squares[0].sum() + merged.rss, squares[1].sum() + whole.rss)
    information = [np.einsum("in,jn,n->ij", r.X, r.X, r.weight) for r in (merged, whole)]
    np.testing.assert_allclose(*information, rtol=1e-11)


# --- sums over cells -----------------------------------------------------------------------------

N, C = 60, 6
CELL = np.r_[np.arange(C), RNG.integers(C, size=N - C)]
PROBLEM = make_problem(RNG.normal(size=(N, 3)), RNG.normal(size=N), [CELL // 2, CELL], "student_t")
ROWS = PROBLEM.evidence
VALUES = RNG.uniform(0.5, 2, N)


@pytest.mark.parametrize("c", range(C))
def test_sums_over_a_cell(c):
    X, values = ROWS.X.T[ROWS.cell == c], VALUES[ROWS.cell == c]
    np.testing.assert_allclose(ROWS.cell_score(VALUES)[:, c], values @ X)
    information = (values * X.T) @ X
    found = ROWS.cell_information(VALUES)[:, :, c]
    np.testing.assert_allclose(found, information, rtol=1e-10, atol=1e-10)
    assert (np.diag(found) > np.diag(information)).all()  # by the ridge


def test_a_cell_of_one_row_has_information_that_stays_positive_definite():
    X = RNG.normal(size=(4, 3))
    rows = make_problem(X, X[:, 0], [np.arange(4)], "student_t").evidence
    information = np.moveaxis(rows.cell_information(np.full(4, 1e12)), -1, 0)
    size = np.sqrt(np.einsum("cii->ci", information))
    assert np.linalg.eigvalsh(information / size[:, :, None] / size[:, None, :]).min() > 0


def test_linear_predictor_of_coefficients_by_cell():
    B = RNG.normal(size=(3, C))
    expected = [x @ B[:, c] for x, c in zip(ROWS.X.T, ROWS.cell, strict=True)]
    np.testing.assert_allclose(ROWS.linear_predictor(B), expected)
