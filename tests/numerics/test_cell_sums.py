from __future__ import annotations

import numpy as np

from skhlm.numerics.cell_sums import sum_by_cell, sum_products


def test_sums_are_those_of_each_cell() -> None:
    rng = np.random.default_rng(0)
    X, weight, cell = rng.normal(size=(3, 20)), rng.uniform(1, 2, 20), np.arange(20) % 4
    products = sum_products(X, weight, cell, 5)
    for c in range(5):
        x, w = X[:, cell == c], weight[cell == c]
        np.testing.assert_allclose(products[..., c], (w * x) @ x.T, rtol=1e-12)
        np.testing.assert_allclose(sum_by_cell(weight, cell, 5)[c], w.sum())
