"""Linear algebra of very many very small matrices.

The two matrix axes come *first* and everything that is batched (levels, draws) comes last, so a
loop over the few rows of a matrix is a short sequence of long vector operations: ten times faster
than a batched LAPACK call for the sizes of a regression's coefficients.
"""

from __future__ import annotations

import numpy as np

from skhlm._typing import Floats

_SMALLEST_PIVOT = 64 * np.finfo(np.float64).eps
_NOTHING = 1e-150  # pivot of a direction of which nothing is known: its square is a number, too


def cholesky(A: Floats) -> Floats:
    """Lower R (K, K, ...) with A = R R'.

    A pivot lost to rounding becomes a few eps x the size of its diagonal, and the rest of its
    column, which is rounding as well, zero: divided by that pivot it would grow from column to
    column. No pivot is below 1e-150, whatever A is.
    """
    R = np.zeros_like(A)
    for j in range(len(A)):
        column = A[j:, j] - np.einsum("ik...,k...->i...", R[j:, :j], R[j, :j])
        least = np.maximum(_SMALLEST_PIVOT * np.abs(A[j, j]), _NOTHING)
        pivot = np.sqrt(np.maximum(column[0], least))
        R[j, j] = pivot
        R[j + 1 :, j] = np.where(column[0] > least, column[1:], 0.0) / pivot
    return R


def inverse_lower(R: Floats) -> Floats:
    """Inverse (K, K, ...) of lower triangular matrices."""
    Q = np.zeros_like(R)
    for i in range(len(R)):
        Q[i, i] = 1 / R[i, i]
        Q[i, :i] = -Q[i, i] * np.einsum("k...,kj...->j...", R[i, :i], Q[:i, :i])
    return Q


def product(A: Floats, B: Floats) -> Floats:
    """A B."""
    result: Floats = np.einsum("ij...,jk...->ik...", A, B)
    return result


def gram(Q: Floats) -> Floats:
    """Q' Q."""
    result: Floats = np.einsum("ji...,jk...->ik...", Q, Q)
    return result


def apply(A: Floats, v: Floats) -> Floats:
    """A v."""
    result: Floats = np.einsum("ij...,j...->i...", A, v)
    return result


def apply_transposed(A: Floats, v: Floats) -> Floats:
    """A' v."""
    result: Floats = np.einsum("ji...,j...->i...", A, v)
    return result


def symmetric(A: Floats) -> Floats:
    """(A + A') / 2."""
    return 0.5 * (A + np.swapaxes(A, 0, 1))


def diagonal(v: Floats) -> Floats:
    """diag(v), (K, K, ...) from (K, ...)."""
    D = np.zeros((len(v), *v.shape))
    for k in range(len(v)):
        D[k, k] = v[k]
    return D


def root(A: Floats) -> Floats:
    """R with R R' = A, (K, K, S) -> (S, K, K): the batch comes first here, as in LAPACK.

    By eigenvectors, as A may be singular: correlations within rounding of 1 have no Cholesky
    factor.
    """
    values, vectors = np.linalg.eigh(np.moveaxis(A, -1, 0))
    roots: Floats = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return roots
