"""Covariances that a prior and rows leave, against inverses."""

from __future__ import annotations

import numpy as np
import pytest

from skhlm._typing import Floats
from skhlm.numerics.shrunk import Shrunk

LEVELS, DRAWS = 5, 7


def problem(K: int, *, full: bool) -> tuple[Floats, Floats, Floats, Floats]:
    """What rows of levels say (K, K, n, 1) and (K, n, 1), roots (K, K, S), precisions (S,)."""
    rng = np.random.default_rng(K + 10 * full)
    Z = rng.normal(size=(LEVELS, 4, K))
    information = np.moveaxis(np.swapaxes(Z, 1, 2) @ Z, 0, -1)[..., None]
    told = rng.normal(size=(K, LEVELS, 1))
    root = np.tril(rng.normal(size=(DRAWS, K, K)) * (full or np.eye(K)))
    return information, told, np.moveaxis(root, 0, -1), rng.gamma(2.0, size=DRAWS)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("K", [1, 2, 4])
def test_covariances_and_means_are_those_of_normal_distributions(K: int, full: bool) -> None:
    information, told, root, precision = problem(K, full=full)
    root[:, :, 0] *= 1e-8  # an sd that is nearly zero
    shrunk = Shrunk(information, root, precision)
    halves = shrunk.halves()
    mean = shrunk.from_white(shrunk.white(np.repeat(told, DRAWS, axis=2)))
    for level in range(LEVELS):
        for s in range(DRAWS):
            T = root[:, :, s]
            F = precision[s] * information[:, :, level, 0]
            expected = T @ np.linalg.inv(np.eye(K) + T.T @ F @ T) @ T.T
            found = [
                [
                    sum(
                        np.broadcast_to(x, (LEVELS, DRAWS))[level, s]
                        * np.broadcast_to(y, (LEVELS, DRAWS))[level, s]
                        for x, y in zip(a, b, strict=True)
                        if x is not None and y is not None
                    )
                    for b in halves
                ]
                for a in halves
            ]
            size = np.abs(T @ T.T).max()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * size)
            of_rows = precision[s] * told[:, level, 0]
            np.testing.assert_allclose(
                mean[level, :, s], expected @ of_rows, rtol=1e-9, atol=1e-12 * size
            )


def test_no_level_depends_on_those_beside_it() -> None:
    information, told, root, precision = problem(3, full=True)
    whole = Shrunk(information, root, precision).white(np.repeat(told, DRAWS, axis=2))
    some = Shrunk(information[:, :, 3:4], root, precision)
    alone = some.white(np.repeat(told[:, 3:4], DRAWS, axis=2))
    for a, b in zip(whole, alone, strict=True):
        assert np.array_equal(np.asarray(a)[3], np.asarray(b)[0])


@pytest.mark.parametrize(("size", "most"), [(1e9, 1.0), (1e14, 1.0), (1e16, 3.0), (1e20, 130.0)])
@pytest.mark.parametrize("K", [2, 3, 4])
def test_what_rounding_leaves_of_one_row_does_not_grow(K: int, size: float, most: float) -> None:
    """A row says nothing of K - 1 directions, in which the prior stays as it is."""
    z = np.random.default_rng(3).normal(size=(K, 20))
    information = size * (z[:, None] * z)[..., None]
    one = np.eye(K)[:, :, None]
    for half in Shrunk(information, one, np.ones(1)).halves():
        variance = sum(np.square(x) for x in half if x is not None)
        assert np.all((variance > 0) & (variance < most))
