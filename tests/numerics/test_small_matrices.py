"""Cholesky factors of many small matrices, singular ones among them."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm.numerics.small_matrices import cholesky, gram, inverse_lower, product


def stacks(*matrices):
    """Matrices with their two axes first."""
    return np.moveaxis(np.stack(matrices), 0, -1)


def test_factors_and_inverts():
    roots = np.random.default_rng(0).standard_normal((50, 4, 4))
    A = stacks(*(root @ root.T + np.eye(4) for root in roots))
    R = cholesky(A)
    np.testing.assert_allclose(product(R, R.swapaxes(0, 1)), A, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        gram(inverse_lower(R)), np.moveaxis(np.linalg.inv(np.moveaxis(A, -1, 0)), 0, -1), rtol=1e-9
    )


@pytest.mark.parametrize(("K", "rank"), [(3, 1), (10, 4), (31, 15)])
def test_what_rounding_leaves_of_a_singular_matrix_does_not_grow(K, rank):
    X = np.random.default_rng(1).random((20, rank, K))
    A = stacks(*(1e13 * x.T @ x + 1e-2 * np.eye(K) for x in X))
    Q = inverse_lower(cholesky(A))
    assert np.abs(Q).max() < 1e8 / np.sqrt(1e13)


@pytest.mark.parametrize("size", [0.0, 1e-300])
def test_where_nothing_is_known_there_are_numbers_still(size):
    A = np.diag([size, 1.0, 2.0])[:, :, None]
    R = cholesky(A)
    V = gram(inverse_lower(R))
    assert np.isfinite(V).all() and np.isfinite(np.square(V[0, 0])).all()
    np.testing.assert_allclose(np.diag(R[..., 0])[1:], np.sqrt([1.0, 2.0]))


def test_a_diagonal_that_rounding_made_negative_counts_by_its_size():
    A = stacks(np.array([[-1e-3, 0.0], [0.0, 2.0]]), np.array([[2.0, 1.0], [1.0, -1e-3]]))
    pivots = np.einsum("iil->li", cholesky(A)) ** 2
    assert np.all(pivots >= 1e-15 * np.array([[1e-3, 2.0], [2.0, 1e-3]]))
