"""Rows of one cell and equal predictors become one, with the same likelihood."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.families import FAMILIES, Binomial, LinkFamily, Poisson

RNG = np.random.default_rng(6)
N, CELLS = 300, 4
NAMES = [name for name, family in FAMILIES.items() if isinstance(family, LinkFamily)]


def rows_of(family, weighted=True):
    """X (N, 2), y, weight, cell and offset; many rows are alike."""
    cell = np.sort(RNG.integers(CELLS, size=N))
    X = np.column_stack([np.ones(N), RNG.integers(-1, 2, N)])
    offset = RNG.integers(-1, 2, N) / 3
    aux = {a.name: np.full(N, 0.8) for a in family.auxiliary}
    y = family.draw(offset + 0.5 * X[:, 1], aux, RNG)
    weight = RNG.integers(1, 4, N) / 2 if weighted else np.ones(N)
    return X, y, weight, cell, offset


def evidence(family, X, y, weight, cell, offset):
    """Of rows sorted by cell."""
    return family.evidence(X, y, weight, cell, CELLS, {}, offset)


def log_likelihood(family, rows, b, aux):
    """Of evidence or of rows (X, y, weight, cell, offset), given coefficients (CELLS, 2)."""
    X, y, weight, cell, offset = rows
    return weight @ family.log_density(y, offset + (X * b[cell]).sum(axis=1), aux)


def as_rows(kept):
    """Evidence as rows."""
    return kept.X.T, kept.y, kept.weight, kept.cell, kept.offset


@pytest.mark.parametrize("name", NAMES)
def test_the_likelihood_is_that_of_all_rows(name):
    family = FAMILIES[name]
    rows = rows_of(family)
    kept = evidence(family, *rows)
    assert len(kept.y) < N / 2
    assert kept.weight.sum() == pytest.approx(kept.n_obs)
    assert (np.diff(kept.cell) >= 0).all()
    differences = []
    for b in RNG.normal(size=(3, CELLS, 2)):
        for size in (0.4, 1.3):
            aux = {a.name: np.float64(size) for a in family.auxiliary}
            whole, merged = (log_likelihood(family, r, b, aux) for r in (rows, as_rows(kept)))
            if name == "gamma":  # its rows' log y is kept beside them
                (log_y,), (count,) = kept.outcome, kept.count
                lost = count * log_y - kept.weight @ np.log(kept.y)
                merged += (size**-2 - 1) * lost
            differences.append(whole - merged)
    np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_two_parts_are_the_whole(name):
    family = FAMILIES[name]
    rows = rows_of(family)
    whole = evidence(family, *rows)
    first = RNG.random(N) < 0.4
    parts = [evidence(family, *(column[some] for column in rows)) for some in (first, ~first)]
    merged = family.merge(*parts)
    for field in ("X", "y", "weight", "offset", "cell", "outcome", "count"):
        np.testing.assert_allclose(getattr(merged, field), getattr(whole, field), rtol=1e-12)
    for field in ("n_obs", "mean", "variance", "largest"):
        assert getattr(merged, field) == pytest.approx(getattr(whole, field), rel=1e-12)


def test_outcomes_that_constants_are_sums_over():
    family = FAMILIES["negative_binomial"]
    rows = rows_of(family)
    kept = evidence(family, *rows)
    np.testing.assert_array_equal(kept.outcome, np.unique(rows[1]))
    np.testing.assert_allclose(kept.count, [rows[2][rows[1] == v].sum() for v in kept.outcome])
    assert set(kept.y) == set(kept.outcome)
    family = FAMILIES["gamma"]
    X, y, weight, cell, offset = rows_of(family)
    kept = evidence(family, X, y, weight, cell, offset)
    np.testing.assert_allclose(kept.outcome, np.average(np.log(y), weights=weight))
    np.testing.assert_allclose(kept.count, weight.sum())
    for name in ("binomial", "poisson"):
        assert len(evidence(FAMILIES[name], *rows_of(FAMILIES[name])).outcome) == 0


def test_trials_one_by_one_are_the_shares_bit_for_bit():
    X, y, weight, cell, offset = rows_of(Binomial(), weighted=False)
    single = evidence(Binomial(), X, y, weight, cell, offset)
    shares = evidence(Binomial(), *as_rows(single))
    shuffled = RNG.permutation(N)
    shuffled = shuffled[np.argsort(cell[shuffled], kind="stable")]
    other = evidence(Binomial(), *(c[shuffled] for c in (X, y, weight, cell, offset)))
    for field in ("X", "y", "weight", "offset", "cell"):
        np.testing.assert_array_equal(getattr(shares, field), getattr(single, field))
        np.testing.assert_array_equal(getattr(other, field), getattr(single, field))


def test_one_of_49_is_one_success():
    one = Binomial().evidence(
        np.ones((2, 1)), np.array([1 / 49, 0]), np.array([49.0, 1]), np.zeros(2, int), 1, {}
    )
    assert one.y.tolist() == [1 / 50]


def test_counts_of_intervals_are_those_of_their_union():
    """Of any length, where a row of 2 years is the same as two of one."""
    X, cell = np.ones((4, 1)), np.array([0, 0, 0, 1])
    years = np.array([1.0, 2.0, 0.5, 3.0])
    parts = Poisson().evidence(X, np.array([2.0, 3, 0, 7]), np.ones(4), cell, 2, {}, np.log(years))
    whole = Poisson().evidence(
        X[:2], np.array([5.0, 7]), np.ones(2), np.arange(2), 2, {}, np.log([3.5, 3.0])
    )
    events, exposure = parts.weight * parts.y, parts.weight * np.exp(parts.offset)
    np.testing.assert_allclose(events, whole.y, rtol=1e-15)
    np.testing.assert_allclose(exposure, np.exp(whole.offset), rtol=1e-14)


def test_offsets_far_apart_do_not_overflow():
    offset = np.array([-900.0, 900.0])
    kept = Poisson().evidence(
        np.ones((2, 1)), np.ones(2), np.ones(2), np.zeros(2, int), 1, {}, offset
    )
    np.testing.assert_allclose(kept.offset, 900 - np.log(2))


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_and_no_predictors(name):
    family = FAMILIES[name]
    kept = family.evidence(np.zeros((3, 0)), np.ones(3), np.ones(3), np.array([0, 0, 1]), 2, {})
    assert kept.X.shape == (0, 2)
    np.testing.assert_array_equal(kept.cell, [0, 1])
    np.testing.assert_array_equal(kept.weight, [2, 1])
